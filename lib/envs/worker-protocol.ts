/**
 * What `WorkerEnvironment` and its worker share: one block of memory, in which they take turns by a
 * number. A message between threads would cost more than most steps do, and could not arrive while
 * the caller is busy.
 */
import type { MessagePort } from 'node:worker_threads';

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

/** Whose turn it is. */
export const turn = { caller: 0, worker: 1 } as const;

/** What the worker is asked for. */
export const command = {
  step: 0,
  reset: 1,
  seededReset: 2,
  close: 3,
  state: 4,
  restore: 5,
} as const;

/** Where in `SharedStep.control` a number is. */
export const at = {
  turn: 0,
  command: 1,
  /** Length of the error's text in bytes; 0 where there is none. */
  textLength: 2,
  /** 1 once the worker has ended. */
  ended: 3,
  /** 1 for an error of a value that was passed. */
  isInvalidValue: 4,
  /** 1 once the worker is to end after what it does now. */
  leave: 5,
} as const;

const headerBytes = 24;
const textBytes = 2048;

/** The block of memory. */
export class SharedStep {
  /** Six numbers, see `at`. */
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
    const observationAt = headerBytes + 8 * actionSize;
    const scalarsAt = observationAt + 8 * observationSize;
    this.control = new Int32Array(memory, 0, headerBytes / 4);
    this.action = new Float64Array(memory, headerBytes, actionSize);
    this.observation = new Float64Array(memory, observationAt, observationSize);
    this.scalars = new Float64Array(memory, scalarsAt, 4);
    this.text = new Uint8Array(memory, scalarsAt + 32, textBytes);
  }

  static allocate(sizes: Pick<WorkerHello, 'observationSize' | 'actionSize'>): SharedStep {
    const numbers = sizes.actionSize + sizes.observationSize + 4;
    return new SharedStep(new SharedArrayBuffer(headerBytes + 8 * numbers + textBytes), sizes);
  }

  /** Give the turn to the other side. */
  give(side: (typeof turn)[keyof typeof turn]): void {
    Atomics.store(this.control, at.turn, side);
    Atomics.notify(this.control, at.turn);
  }

  /**
   * Wait, for at most so many milliseconds, until it is no longer the turn of `side`.
   *
   * @returns false when it still is
   */
  wait(side: number, milliseconds: number): boolean {
    return Atomics.wait(this.control, at.turn, side, milliseconds) !== 'timed-out';
  }

  /** The same, while the event loop of this thread runs; it does not keep the thread alive. */
  async waitMeanwhile(side: number, milliseconds = Infinity): Promise<boolean> {
    return (await waitAsync(this.control, at.turn, side, milliseconds).value) !== 'timed-out';
  }
}

/** ECMAScript has it since 2024, and Node since version 16. */
const { waitAsync } = Atomics as unknown as {
  waitAsync(
    this: void,
    array: Int32Array,
    index: number,
    value: number,
    timeout: number,
  ): { value: string | Promise<string> };
};
