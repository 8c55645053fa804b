/**
 * An environment in a thread of its own: it steps while the caller does something else, such as an
 * update of the networks.
 */
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { checkObject, InvalidValueError, invalidValue, RunError } from '../errors.js';
import type { Environment, EnvironmentState, StepResult } from './environment.js';
import { at, command, SharedStep, turn } from './worker-protocol.js';
import type { WorkerHello, WorkerStart } from './worker-protocol.js';

/** An environment whose steps can be begun and finished apart. */
export interface OverlappedEnvironment extends Environment {
  /** Begin a step. Until `finish()` nothing else may be asked of the environment. */
  begin(action: ArrayLike<number>): void;
  /** Wait for the step that was begun. */
  finish(): StepResult;
  /** Begin an episode, as `reset()` does; it is finished by `finishReset()`. */
  beginReset?(options?: { seed?: number }): void;
  /** Wait for the reset that was begun: the first observation. */
  finishReset?(): Float64Array;
  /**
   * For callers whose event loop is to run: a promise that resolves when the wait for what was begun
   * is over, or undefined where it is or soon will be.
   */
  settled?(): Promise<void> | undefined;
}

/** Milliseconds after which what was asked for has failed. */
const patience = 60_000;
/** Milliseconds for which a wait may hold up the caller's event loop. */
const shortWait = 20;

export class WorkerEnvironment implements OverlappedEnvironment {
  readonly observationSize: number;
  readonly actionSize: number;
  readonly actionLow: Float32Array;
  readonly actionHigh: Float32Array;
  readonly givenOptions: Readonly<Record<string, unknown>> | undefined;
  readonly #worker: Worker;
  readonly #shared: SharedStep;
  readonly #states: MessagePort;
  #pending = false;
  #askedAt = 0;
  #closed = false;

  /** Use `WorkerEnvironment.create(id, options)`. */
  private constructor(
    readonly id: string,
    worker: Worker,
    hello: WorkerHello,
  ) {
    this.observationSize = hello.observationSize;
    this.actionSize = hello.actionSize;
    this.actionLow = hello.actionLow;
    this.actionHigh = hello.actionHigh;
    this.givenOptions = hello.givenOptions;
    this.#worker = worker;
    this.#shared = SharedStep.allocate(hello);
    const { port1, port2 } = new MessageChannel();
    this.#states = port1;
    const start: WorkerStart = { memory: this.#shared.memory, states: port2 };
    worker.postMessage(start, [port2]);
  }

  /**
   * Make an environment by name in a worker thread. A task of your own has to be registered there
   * too: start node with `--import ./my-task.mjs`, which holds for workers as well.
   *
   * @throws RunError with the message of `makeEnv` for an unknown name or option, or when the worker
   *   ends before it has made the environment
   */
  static async create(
    id: string,
    options: Readonly<Record<string, unknown>> = {},
  ): Promise<WorkerEnvironment> {
    const worker = startWorker(id, options);
    const hello = await firstMessage(id, worker);
    if ('error' in hello) {
      await worker.terminate();
      throw new RunError(hello.error);
    }
    // Waiting for its turn must not keep the process alive.
    worker.unref();
    return new WorkerEnvironment(id, worker, hello);
  }

  begin(action: ArrayLike<number>): void {
    if (action?.length !== this.actionSize) {
      throw invalidValue('action', `an array of length ${this.actionSize}`, action);
    }
    this.#shared.action.set(action);
    this.#ask(command.step);
  }

  finish(): StepResult {
    this.#take();
    const { observation, scalars } = this.#shared;
    return {
      observation: Float64Array.from(observation),
      reward: scalars[0] ?? NaN,
      terminated: scalars[1] === 1,
      truncated: scalars[2] === 1,
      // The terms of the reward stay in the worker: training does not use them.
      info: {},
    };
  }

  step(action: ArrayLike<number>): StepResult {
    this.begin(action);
    return this.finish();
  }

  reset(options: { seed?: number } = {}): Float64Array {
    this.beginReset(options);
    return this.finishReset();
  }

  beginReset(options: { seed?: number } = {}): void {
    checkObject('the options of reset', options);
    this.#shared.scalars[3] = options.seed ?? 0;
    this.#ask(options.seed === undefined ? command.reset : command.seededReset);
  }

  finishReset(): Float64Array {
    this.#take();
    return Float64Array.from(this.#shared.observation);
  }

  settled(): Promise<void> | undefined {
    // A short wait costs less than to be woken by way of the event loop.
    return this.#shared.wait(turn.worker, shortWait) ? undefined : this.#settle();
  }

  async #settle(): Promise<void> {
    // Only the worker keeps the process alive meanwhile.
    this.#worker.ref();
    await this.#shared.waitMeanwhile(turn.worker, this.#patienceLeft);
    this.#worker.unref();
  }

  /**
   * What `state()` of the environment returns.
   *
   * @returns undefined also where it has no such method
   */
  state(): EnvironmentState | undefined {
    this.#ask(command.state);
    this.#take();
    return receiveMessageOnPort(this.#states)?.message as EnvironmentState | undefined;
  }

  /**
   * Have the environment go on from a state of it.
   *
   * @throws InvalidValueError when it does not fit, RunError when the environment has no `restore()`
   */
  restore(state: EnvironmentState): void {
    checkObject('state', state);
    this.#checkFree();
    try {
      this.#states.postMessage(state);
    } catch (cause) {
      throw notForWorkers('state', state, cause);
    }
    this.#ask(command.restore);
    this.#take();
  }

  /** Close the environment once it has done what was begun; it is not waited for. */
  close(): void {
    if (this.#closed) return;
    const { control } = this.#shared;
    Atomics.store(control, at.leave, 1);
    if (Atomics.load(control, at.turn) === turn.caller) {
      this.#pending = false;
      this.#ask(command.close);
    }
    this.#closed = true;
    this.#states.close();
    this.#worker.unref();
    setTimeout(() => void this.#worker.terminate(), patience).unref();
  }

  #checkFree(): void {
    if (this.#closed) throw new RunError(`${this.id} was closed: make a new environment`);
    if (this.#pending) throw new RunError('Call finish() for the step that was begun first');
  }

  #ask(what: number): void {
    this.#checkFree();
    const { control } = this.#shared;
    control[at.command] = what;
    this.#pending = true;
    this.#askedAt = performance.now();
    this.#shared.give(turn.worker);
    // A worker that has ended by itself meanwhile answers nothing.
    if (Atomics.load(control, at.ended) === 1) this.#shared.give(turn.caller);
  }

  get #patienceLeft(): number {
    return Math.max(0, patience - (performance.now() - this.#askedAt));
  }

  /** Wait for the answer, which may be an error. */
  #take(): void {
    if (!this.#pending) throw new RunError('Call begin(action) before finish()');
    const { control, text } = this.#shared;
    if (!this.#shared.wait(turn.worker, this.#patienceLeft)) {
      void this.#worker.terminate();
      this.#closed = true;
      throw new RunError(`${this.id} did not answer for ${patience / 1000} s in its worker thread`);
    }
    this.#pending = false;
    if (control[at.ended] === 1) this.#closed = true;
    const length = control[at.textLength] ?? 0;
    if (length === 0) return;
    const message = new TextDecoder().decode(text.slice(0, length));
    throw control[at.isInvalidValue] === 1 ? new InvalidValueError(message) : new RunError(message);
  }
}

/**
 * Start the worker by way of a module in a URL: it inherits the options of this process, of which
 * --input-type allows no file, and only modules have those of --import run before them.
 */
function startWorker(id: string, options: Readonly<Record<string, unknown>>): Worker {
  const file = new URL('./environment-worker.js', import.meta.url).href;
  const url = new URL(`data:text/javascript,import ${encodeURIComponent(JSON.stringify(file))}`);
  try {
    return new Worker(url, { workerData: { id, options } });
  } catch (cause) {
    throw notForWorkers(`the options of ${id}`, options, cause);
  }
}

/** The error for a value that could not be sent to a worker. */
function notForWorkers(what: string, value: unknown, cause: unknown): unknown {
  const { name, message } = cause as Error;
  if (name !== 'DataCloneError') return cause;
  const error = invalidValue(what, 'data that a worker can get', value, message);
  error.cause = cause;
  return error;
}

function firstMessage(id: string, worker: Worker): Promise<WorkerHello | { error: string }> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => {
      const message = `The worker thread of ${id} ended (exit code ${code}) before it had made it`;
      reject(new RunError(`${message}. Does the task, or what it imports, call process.exit()?`));
    });
  });
}
