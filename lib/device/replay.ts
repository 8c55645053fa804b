/** The replay buffer: a ring of float32 rows in the device's memory. */
import {
  checkFloat32,
  checkInteger,
  checkNumber,
  checkObject,
  checkOptions,
  invalidValue,
  isFloat32,
} from '../errors.js';
import { checkView } from './batch-matrix.js';
import type { BatchView } from './batch-matrix.js';
import type { Device } from './device.js';
import { maxCapacity, maxElements } from './limits.js';
import { checkMaker } from './made-by.js';
import type { Maker } from './made-by.js';
import { checkFitsFilled, replayBytes } from './memory.js';
import type { NativeReplay } from './native.js';
import { allocating } from './native-error.js';

export interface ReplayOptions {
  /** Transitions held, up to 2^32 - 1; the oldest are overwritten. */
  capacity: number;
  /** Up to 2^24, as is actionSize. */
  observationSize: number;
  actionSize: number;
}

/** One transition, or what became of several in a row. */
export interface ReplayTransition {
  /** Length `observationSize`. */
  observation: ArrayLike<number>;
  /** Length `actionSize`. */
  action: ArrayLike<number>;
  /** Of the step, or the discounted sum of those until `nextObservation`. */
  reward: number;
  /** Length `observationSize`. */
  nextObservation: ArrayLike<number>;
  /** The factor of the value of `nextObservation`, from 0, where the task ended, to 1. */
  discount: number;
}

/** Where a sampled batch goes; all views have the same number of rows. */
export interface BatchViews {
  observation: BatchView;
  action: BatchView;
  /** [batch, 1] */
  reward: BatchView;
  nextObservation: BatchView;
  /** [batch, 1]: the factor of the next observation's value, 0 where the task ended. */
  discount: BatchView;
}

/** Append a transition whose shapes and values were checked before: they are not gone through again. */
export let appendChecked: (replay: Replay, transition: ReplayTransition) => void;

export class Replay {
  readonly capacity: number;
  readonly observationSize: number;
  readonly actionSize: number;
  /** Floats in a row: observation, action, reward, next observation, discount. */
  readonly rowLength: number;
  readonly #device: Device;
  readonly #make: () => NativeReplay;
  readonly #row: Float32Array;
  #native: NativeReplay;
  #size = 0;
  #added = 0;

  static {
    appendChecked = (replay, transition) => replay.#append(transition);
  }

  /** Use `device.replay(options)`. */
  constructor(
    made: Maker,
    device: Device,
    options: ReplayOptions,
    make: (capacity: number, observations: number, actions: number) => NativeReplay,
  ) {
    checkMaker('Replay', 'device.replay(options)', made);
    checkOptions('the options of a replay buffer', options, [
      'capacity',
      'observationSize',
      'actionSize',
    ]);
    const { capacity, observationSize, actionSize } = options;
    this.capacity = checkInteger('capacity (bufferSize)', capacity, 1, maxCapacity);
    const observations = checkInteger('observationSize', observationSize, 1, maxElements);
    const actions = checkInteger('actionSize', actionSize, 1, maxElements);
    this.rowLength = 2 * observations + actions + 2;
    this.observationSize = observations;
    this.actionSize = actions;
    this.#device = device;
    this.#make = () => make(this.capacity, observations, actions);
    const bytes = replayBytes(this.capacity, this.rowLength);
    checkFitsFilled(device, { what: 'the replay buffer', bytes });
    this.#native = this.#make();
    this.#row = allocating(() => new Float32Array(this.rowLength));
  }

  /** Transitions held now. */
  get size(): number {
    return this.#size;
  }

  /** The place in the ring, from 0 to capacity - 1, that the next transition goes to. */
  get next(): number {
    return this.#added % this.capacity;
  }

  /** Transitions added so far, those that were overwritten included. */
  get added(): number {
    return this.#added;
  }

  /**
   * Append one transition.
   *
   * @throws InvalidValueError for a wrong length, a number that is not finite in float32 or a discount
   *   that is not from 0 to 1; nothing is appended then
   */
  add(transition: ReplayTransition): void {
    this.#device.checkOpen();
    checkObject('transition', transition);
    const { observationSize, actionSize } = this;
    checkNumbers('observation', transition.observation, observationSize);
    checkNumbers('action', transition.action, actionSize);
    checkNumbers('nextObservation', transition.nextObservation, observationSize);
    checkFloat32('reward', transition.reward);
    checkNumber('discount', transition.discount, 0, 1);
    this.#append(transition);
  }

  /** Draw uniformly with replacement; the rows depend on (seed, draw) and the contents alone. */
  sample(seed: number, draw: number, batch: BatchViews): void {
    this.#device.checkOpen();
    checkInteger('seed', seed, 0);
    checkInteger('draw', draw, 0);
    this.#native.sample(
      seed,
      draw,
      ...checkView(this.#device, 'observation', batch?.observation),
      ...checkView(this.#device, 'action', batch.action),
      ...checkView(this.#device, 'reward', batch.reward),
      ...checkView(this.#device, 'nextObservation', batch.nextObservation),
      ...checkView(this.#device, 'discount', batch.discount),
    );
  }

  /** Rows [first, first + count) by age, oldest first: [count, rowLength]. */
  read(first: number, count: number): Float32Array {
    this.#device.checkOpen();
    checkInteger('first', first, 0, this.size);
    checkInteger('count', count, 0, this.size - first);
    return allocating(() => {
      const rows = new Float32Array(count * this.rowLength);
      this.#native.read(first, count, rows);
      return rows;
    });
  }

  /** Free the rows now. Further use throws. */
  close(): void {
    this.#native.release();
    this.#clear();
  }

  /**
   * Append rows as `read` returned them: [count, rowLength].
   *
   * @throws InvalidValueError for rows that no transition can have; nothing is appended then
   */
  append(rows: Float32Array): void {
    this.#device.checkOpen();
    this.#checkRows(rows);
    this.#appendRows(rows);
  }

  /**
   * Hold these rows and no others, each at its place in the ring, which sampling depends on. Graphs
   * that were recorded with this buffer have to be made anew.
   *
   * @param rows [count, rowLength] as `read` returned them; if there are too many, the newest stay
   * @param next the `next` of the buffer that they come from, if that was full and as large as this
   *   one; default: 0
   * @throws InvalidValueError for rows that no transition can have; the buffer is as it was then
   */
  restore(rows: Float32Array, next = 0): void {
    this.#device.checkOpen();
    this.#checkRows(rows);
    checkInteger('next', next, 0, this.capacity);
    const { rowLength } = this;
    const count = rows.length / rowLength;
    const added = count === this.capacity ? count + next : count;
    const oldest = added - count;
    this.refill(added, (from, length) => {
      return [rows.subarray((from - oldest) * rowLength, (from - oldest + length) * rowLength)];
    });
  }

  /**
   * Hold the newest of the rows numbered from 0 to `added` - 1, each at its place in the ring, as if they
   * had been added one after the other. Graphs that were recorded with this buffer have to be made anew.
   *
   * @param added how many rows were added in all
   * @param read gives `count` rows from number `first` on, in pieces of whole rows; it may be asked for the
   *   same rows twice
   * @throws InvalidValueError for rows that do not fit, or what `read` throws; the buffer is empty then
   */
  refill(added: number, read: (first: number, count: number) => Iterable<Float32Array>): void {
    this.#device.checkOpen();
    checkInteger('added', added, 0);
    this.#empty();
    const first = Math.max(0, added - this.capacity);
    // The first place of the ring belongs to this row; those after it come round again behind the others.
    const lap = first === 0 ? 0 : Math.ceil(first / this.capacity) * this.capacity;
    try {
      if (lap > first) this.#appendAll(read(lap, added - lap));
      this.#appendAll(read(first, lap > first ? lap - first : added - first));
      if (lap > first) this.#appendAll(read(lap, added - lap));
    } catch (error) {
      this.#empty();
      throw error;
    }
    this.#added = added;
    if (this.#size === added - first) return;
    const held = this.#size;
    this.#empty();
    throw invalidValue('the rows read', `${added - first} rows`, held);
  }

  #appendAll(pieces: Iterable<Float32Array>): void {
    for (const rows of pieces) this.append(rows);
  }

  #checkRows(rows: Float32Array): void {
    const { rowLength } = this;
    if (!(rows instanceof Float32Array) || rows.length % rowLength !== 0) {
      throw invalidValue('rows', `a Float32Array of rows of ${rowLength} numbers`, rows);
    }
    const wrong = rows.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) throw invalidValue(`rows[${wrong}]`, 'a finite number', rows[wrong]);
  }

  #appendRows(rows: Float32Array): void {
    for (let at = 0; at < rows.length; at += this.rowLength) {
      this.#push(rows.subarray(at, at + this.rowLength));
    }
  }

  #append({ observation, action, reward, nextObservation, discount }: ReplayTransition): void {
    const afterAction = this.observationSize + this.actionSize;
    this.#row.set(observation);
    this.#row.set(action, this.observationSize);
    this.#row[afterAction] = reward;
    this.#row.set(nextObservation, afterAction + 1);
    this.#row[this.rowLength - 1] = discount;
    this.#push(this.#row);
  }

  #push(row: Float32Array): void {
    this.#native.add(row);
    this.#size = Math.min(this.#size + 1, this.capacity);
    this.#added += 1;
  }

  #empty(): void {
    if (this.#added === 0) return;
    // There may not be memory for both.
    this.#native.release();
    this.#clear();
    this.#native = this.#make();
  }

  #clear(): void {
    this.#size = 0;
    this.#added = 0;
  }
}

/**
 * Check that `values` are so many numbers that float32 can hold.
 *
 * @throws InvalidValueError that names the array, or the first element that is NaN, infinite or no float32
 */
export function checkNumbers(name: string, values: ArrayLike<number>, length: number): void {
  if (values?.length !== length) throw invalidValue(name, `an array of length ${length}`, values);
  for (let i = 0; i < length; i++) {
    if (!isFloat32(values[i])) checkFloat32(`${name}[${i}]`, values[i]);
  }
}
