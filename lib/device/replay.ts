/** The replay buffer: a ring of float32 rows in the device's memory. */
import { checkInteger } from '../errors.js';
import { checkView } from './batch-matrix.js';
import type { BatchView } from './batch-matrix.js';
import type { Device } from './device.js';
import { maxCapacity, maxElements } from './limits.js';
import type { NativeReplay } from './native.js';

export interface ReplayOptions {
  /** Transitions held, up to 2^32 - 1; the oldest are overwritten. */
  capacity: number;
  /** Up to 2^24, as is actionSize. */
  observationSize: number;
  actionSize: number;
}

/** Where a sampled batch goes; all views have the same number of rows. */
export interface BatchViews {
  observation: BatchView;
  action: BatchView;
  /** [batch, 1] */
  reward: BatchView;
  nextObservation: BatchView;
  /** [batch, 1]: 1 where the task ended, 0 elsewhere, truncations included. */
  terminated: BatchView;
}

export class Replay {
  readonly capacity: number;
  /** Floats in a row: observation, action, reward, next observation, terminated. */
  readonly rowLength: number;
  readonly #device: Device;
  readonly #make: () => NativeReplay;
  readonly #row: Float32Array;
  #native: NativeReplay;
  #size = 0;
  #next = 0;

  /** Use `device.replay(options)`. */
  constructor(
    device: Device,
    options: ReplayOptions,
    make: (capacity: number, observations: number, actions: number) => NativeReplay,
  ) {
    const { capacity, observationSize, actionSize } = options;
    this.capacity = checkInteger('capacity', capacity, 1, maxCapacity);
    const observations = checkInteger('observationSize', observationSize, 1, maxElements);
    const actions = checkInteger('actionSize', actionSize, 1, maxElements);
    this.rowLength = 2 * observations + actions + 2;
    this.#device = device;
    this.#make = () => make(this.capacity, observations, actions);
    this.#native = this.#make();
    this.#row = new Float32Array(this.rowLength);
  }

  /** Transitions held now. */
  get size(): number {
    return this.#size;
  }

  /** The place in the ring, from 0 to capacity - 1, that the next transition goes to. */
  get next(): number {
    return this.#next;
  }

  /** Append one transition. Truncated episodes count as not terminated: they are bootstrapped. */
  add(transition: {
    observation: ArrayLike<number>;
    action: ArrayLike<number>;
    reward: number;
    nextObservation: ArrayLike<number>;
    terminated: boolean;
  }): void {
    this.#device.checkOpen();
    const { observation, action, reward, nextObservation, terminated } = transition;
    const row = this.#row;
    const afterAction = observation.length + action.length;
    row.set(observation, 0);
    row.set(action, observation.length);
    row[afterAction] = reward;
    row.set(nextObservation, afterAction + 1);
    row[this.rowLength - 1] = terminated ? 1 : 0;
    this.#push(row);
  }

  /** Draw uniformly with replacement; the rows depend on (seed, draw) and the contents alone. */
  sample(seed: number, draw: number, batch: BatchViews): void {
    this.#device.checkOpen();
    this.#native.sample(
      seed,
      draw,
      ...checkView(this.#device, 'observation', batch.observation),
      ...checkView(this.#device, 'action', batch.action),
      ...checkView(this.#device, 'reward', batch.reward),
      ...checkView(this.#device, 'nextObservation', batch.nextObservation),
      ...checkView(this.#device, 'terminated', batch.terminated),
    );
  }

  /** Rows [first, first + count) by age, oldest first: [count, rowLength]. */
  read(first: number, count: number): Float32Array {
    this.#device.checkOpen();
    const rows = new Float32Array(checkInteger('count', count, 0) * this.rowLength);
    this.#native.read(checkInteger('first', first, 0), count, rows);
    return rows;
  }

  /** Free the rows now. Further use throws. */
  close(): void {
    this.#native.release();
    this.#clear();
  }

  /** Append rows as `read` returned them. */
  append(rows: Float32Array): void {
    this.#device.checkOpen();
    for (let at = 0; at + this.rowLength <= rows.length; at += this.rowLength) {
      this.#push(rows.subarray(at, at + this.rowLength));
    }
  }

  /**
   * Hold these rows and no others, each at its place in the ring, which sampling depends on. Graphs
   * that were recorded with this buffer have to be made anew.
   *
   * @param rows [count, rowLength] as `read` returned them; if there are too many, the newest stay
   * @param next the `next` of the buffer that they come from, if that was full and as large as this
   *   one; default: 0
   */
  restore(rows: Float32Array, next = 0): void {
    this.#device.checkOpen();
    if (this.#size > 0) {
      // There may not be memory for both.
      this.#native.release();
      this.#clear();
      this.#native = this.#make();
    }
    const isFull = rows.length === this.capacity * this.rowLength;
    // The first place of the ring holds the row of this age; those before `next` come round again.
    const first = isFull ? (this.capacity - next) * this.rowLength : 0;
    this.append(rows.subarray(first));
    this.append(rows.subarray(0, first));
    if (isFull) this.append(rows.subarray(first));
  }

  #push(row: Float32Array): void {
    this.#native.add(row);
    this.#size = Math.min(this.#size + 1, this.capacity);
    this.#next = (this.#next + 1) % this.capacity;
  }

  #clear(): void {
    this.#size = 0;
    this.#next = 0;
  }
}
