/**
 * An environment in a thread of its own: it steps while the caller does something else, such as an
 * update of the networks.
 *
 * Both sides share one block of memory and take turns by a number in it. A message between threads
 * would cost more than most steps do, and could not arrive while the caller is busy.
 */
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { checkObject, InvalidValueError, invalidValue, RunError } from '../errors.js';
import type { Environment, EnvironmentState, StepResult } from './environment.js';

/** An environment whose steps can be begun and finished apart. */
export interface OverlappedEnvironment extends Environment {
  /** Begin a step. Until `finish()` nothing else may be asked of the environment. */
  begin(action: ArrayLike<number>): void;
  /** Wait for the step that was begun. */
  finish(): StepResult;
}

/** What the worker says when its environment is made. */
export interface WorkerHello {
  observationSize: number;
  actionSize: number;
  actionLow: Float32Array;
  actionHigh: Float32Array;
  givenOptions: Readonly<Record<string, unknown>> | undefined;
}

/** What the worker gets when its environment is made. */
export interface WorkerStart {
  memory: SharedArrayBuffer;
  /** States of the environment go through it, whose size nobody knows beforehand. */
  states: MessagePort;
}

/** Whose turn it is: the first number of the shared memory. */
export const turn = { caller: 0, worker: 1 } as const;

/** What the worker is asked for: the second number. */
export const command = {
  step: 0,
  reset: 1,
  seededReset: 2,
  close: 3,
  state: 4,
  restore: 5,
} as const;

/** What caller and worker share. */
export class SharedStep {
  /**
   * [turn, command, length of the error's text or 0, whether the worker has ended, whether the error
   * is of a value that was passed]
   */
  readonly control: Int32Array;
  readonly action: Float64Array;
  readonly observation: Float64Array;
  /** [reward, terminated, truncated, seed] */
  readonly scalars: Float64Array;
  readonly text: Uint8Array;

  constructor(
    readonly memory: SharedArrayBuffer,
    { observationSize, actionSize }: Pick<WorkerHello, 'observationSize' | 'actionSize'>,
  ) {
    const numbers = 8 * (actionSize + observationSize + 4);
    this.control = new Int32Array(memory, 0, 6);
    this.action = new Float64Array(memory, 24, actionSize);
    this.observation = new Float64Array(memory, 24 + 8 * actionSize, observationSize);
    this.scalars = new Float64Array(memory, 24 + 8 * (actionSize + observationSize), 4);
    this.text = new Uint8Array(memory, 24 + numbers, textLength);
  }

  static allocate(sizes: Pick<WorkerHello, 'observationSize' | 'actionSize'>): SharedStep {
    const numbers = 8 * (sizes.actionSize + sizes.observationSize + 4);
    return new SharedStep(new SharedArrayBuffer(24 + numbers + textLength), sizes);
  }
}

const textLength = 2048;
/** A step that takes longer than this has failed. */
const patience = 60_000;

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
    this.#wait();
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
    checkObject('the options of reset', options);
    this.#shared.scalars[3] = options.seed ?? 0;
    this.#ask(options.seed === undefined ? command.reset : command.seededReset);
    this.#wait();
    return Float64Array.from(this.#shared.observation);
  }

  /**
   * What `state()` of the environment returns.
   *
   * @returns undefined also where it has no such method
   */
  state(): EnvironmentState | undefined {
    this.#ask(command.state);
    this.#wait();
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
    this.#wait();
  }

  close(): void {
    if (this.#closed) return;
    if (this.#pending) this.#wait();
    this.#ask(command.close);
    this.#closed = true;
    this.#states.close();
  }

  #checkFree(): void {
    if (this.#closed) throw new RunError(`${this.id} was closed: make a new environment`);
    if (this.#pending) throw new RunError('Call finish() for the step that was begun first');
  }

  #ask(what: number): void {
    this.#checkFree();
    const { control } = this.#shared;
    control[1] = what;
    this.#pending = true;
    Atomics.store(control, 0, turn.worker);
    Atomics.notify(control, 0);
  }

  #wait(): void {
    if (!this.#pending) throw new RunError('Call begin(action) before finish()');
    const { control, text } = this.#shared;
    if (Atomics.wait(control, 0, turn.worker, patience) === 'timed-out') {
      void this.#worker.terminate();
      this.#closed = true;
      throw new RunError(`${this.id} did not answer for ${patience / 1000} s in its worker thread`);
    }
    this.#pending = false;
    if (control[3] === 1) this.#closed = true;
    const length = control[2] ?? 0;
    if (length === 0) return;
    const message = new TextDecoder().decode(text.slice(0, length));
    throw control[4] === 1 ? new InvalidValueError(message) : new RunError(message);
  }
}

function startWorker(id: string, options: Readonly<Record<string, unknown>>): Worker {
  const url = new URL('./environment-worker.js', import.meta.url);
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
