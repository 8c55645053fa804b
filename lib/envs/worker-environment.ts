/**
 * An environment in a thread of its own: it steps while the caller does something else, such as an
 * update of the networks.
 *
 * Both sides share one block of memory and take turns by a number in it. A message between threads
 * would cost more than most steps do, and could not arrive while the caller is busy.
 */
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { checkObject, invalidValue, RunError } from '../errors.js';
import type { Environment, EnvironmentState, StepResult } from './environment.js';

/** An environment whose steps can be begun and finished apart. */
export interface OverlappedEnvironment extends Environment {
  /** Begin a step. Until `finish()` nothing else may be asked of the environment. */
  begin(action: ArrayLike<number>): void;
  /** Wait at most so long; true once `finish()` will not have to wait. Without it, it never has to. */
  isDone?(milliseconds: number): boolean;
  /** Wait for the step that was begun. */
  finish(): StepResult;
}

/** What the worker says when its environment is made. */
export interface WorkerHello {
  observationSize: number;
  actionSize: number;
  actionLow: Float32Array;
  actionHigh: Float32Array;
  givenOptions: Readonly<Record<string, unknown>>;
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
  /** [turn, command, length of the error's text or 0, whether the worker has ended] */
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
    this.control = new Int32Array(memory, 0, 4);
    this.action = new Float64Array(memory, 16, actionSize);
    this.observation = new Float64Array(memory, 16 + 8 * actionSize, observationSize);
    this.scalars = new Float64Array(memory, 16 + 8 * (actionSize + observationSize), 4);
    this.text = new Uint8Array(memory, 16 + numbers, textLength);
  }

  static allocate(sizes: Pick<WorkerHello, 'observationSize' | 'actionSize'>): SharedStep {
    const numbers = 8 * (sizes.actionSize + sizes.observationSize + 4);
    return new SharedStep(new SharedArrayBuffer(16 + numbers + textLength), sizes);
  }
}

const textLength = 2048;
/** A step that takes longer than this has failed. */
const patience = 60_000;
/** And one that takes longer than this is not waited for where nobody wants it any more. */
const closingPatience = 200;

export class WorkerEnvironment implements OverlappedEnvironment {
  readonly observationSize: number;
  readonly actionSize: number;
  readonly actionLow: Float32Array;
  readonly actionHigh: Float32Array;
  readonly givenOptions: Readonly<Record<string, unknown>>;
  readonly #worker: Worker;
  readonly #shared: SharedStep;
  /** For what does not fit the shared memory. */
  readonly #port: MessagePort;
  #pending = false;
  /** When the worker was asked. */
  #askedAt = 0;
  #closed = false;

  /** Use `WorkerEnvironment.create(id, options)`. */
  private constructor(
    readonly id: string,
    worker: Worker,
    hello: WorkerHello,
    port: MessagePort,
  ) {
    this.observationSize = hello.observationSize;
    this.actionSize = hello.actionSize;
    this.actionLow = hello.actionLow;
    this.actionHigh = hello.actionHigh;
    this.givenOptions = hello.givenOptions;
    this.#worker = worker;
    this.#port = port;
    this.#shared = SharedStep.allocate(hello);
    worker.postMessage(this.#shared.memory);
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
    const { port1: port, port2 } = new MessageChannel();
    const worker = startWorker(id, options, port2);
    const hello = await firstMessage(id, worker);
    if ('error' in hello) {
      await worker.terminate();
      throw new RunError(hello.error);
    }
    // Waiting for its turn must not keep the process alive.
    worker.unref();
    port.unref();
    return new WorkerEnvironment(id, worker, hello, port);
  }

  begin(action: ArrayLike<number>): void {
    if (action?.length !== this.actionSize) {
      throw invalidValue('action', `an array of length ${this.actionSize}`, action);
    }
    this.#shared.action.set(action);
    this.#ask(command.step);
  }

  isDone(milliseconds: number): boolean {
    if (!this.#pending) return true;
    return Atomics.wait(this.#shared.control, 0, turn.worker, milliseconds) !== 'timed-out';
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

  /** As the task in the worker has it; undefined where that cannot tell. */
  state(): EnvironmentState | undefined {
    this.#ask(command.state);
    this.#wait();
    return receiveMessageOnPort(this.#port)?.message as EnvironmentState | undefined;
  }

  /** @throws RunError with the task's own message when the state does not fit */
  restore(state: EnvironmentState): void {
    checkObject('state', state, 'what state() of an environment returned');
    this.#port.postMessage(state);
    this.#ask(command.restore);
    this.#wait();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#hasEnded || (this.#pending && !this.isDone(closingPatience))) {
      void this.#worker.terminate();
      return;
    }
    this.#give(command.close);
  }

  /** The task, or what it imports, has ended the worker. */
  get #hasEnded(): boolean {
    return Atomics.load(this.#shared.control, 3) === 1;
  }

  #ask(what: number): void {
    if (this.#closed) throw new RunError(`${this.id} was closed: make a new environment`);
    if (this.#pending) throw new RunError('Call finish() for the step that was begun first');
    if (this.#hasEnded) this.#fail();
    this.#pending = true;
    this.#askedAt = performance.now();
    this.#give(what);
  }

  #give(what: number): void {
    const { control } = this.#shared;
    control[1] = what;
    Atomics.store(control, 0, turn.worker);
    Atomics.notify(control, 0);
  }

  #wait(): void {
    if (!this.#pending) throw new RunError('Call begin(action) before finish()');
    const { control } = this.#shared;
    const left = Math.max(0, patience - (performance.now() - this.#askedAt));
    if (Atomics.wait(control, 0, turn.worker, left) === 'timed-out') {
      void this.#worker.terminate();
      this.#closed = true;
      throw new RunError(`${this.id} did not answer for ${patience / 1000} s in its worker thread`);
    }
    this.#pending = false;
    this.#fail();
  }

  /** Throw what the worker says went wrong, if it says so. */
  #fail(): void {
    const { control, text } = this.#shared;
    if (this.#hasEnded) this.#closed = true;
    const length = control[2] ?? 0;
    if (length > 0) throw new RunError(new TextDecoder().decode(text.slice(0, length)));
  }
}

function startWorker(
  id: string,
  options: Readonly<Record<string, unknown>>,
  port: MessagePort,
): Worker {
  const url = new URL('./environment-worker.js', import.meta.url);
  try {
    return new Worker(url, {
      workerData: { id, options, port },
      transferList: [port],
      execArgv: inheritedFlags(process.execArgv),
    });
  } catch (cause) {
    const { name, message } = cause as Error;
    if (name !== 'DataCloneError') throw cause;
    const error = invalidValue(
      `the options of ${id}`,
      'data that a worker can get',
      options,
      message,
    );
    error.cause = cause;
    throw error;
  }
}

/** Flags that say what the process itself runs: a worker runs a file of its own. */
const flagsOfTheProgram =
  /^(-e|--eval|-p|--print|-pe|-c|--check|-i|--interactive|--input-type(=.*)?)$/;
/** Those of them whose value is the next argument. */
const flagsWithValue = /^(-e|--eval|-p|--print|-pe|--input-type)$/;

/** Node's flags that hold for a worker too, such as `--import`. */
export function inheritedFlags(flags: readonly string[]): string[] {
  return flags.filter((flag, i) => {
    return !flagsOfTheProgram.test(flag) && !flagsWithValue.test(flags[i - 1] ?? '');
  });
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
