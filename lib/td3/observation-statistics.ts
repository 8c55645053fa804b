/**
 * Running mean and variance of observations, and how they normalise:
 * x' = (x - mean) / sqrt(variance + 1e-8), which is Stable-Baselines3's VecNormalize but for its clip:
 * only without one does it fold into a layer.
 */
import type { PolicyLayer } from '../train/trainable.js';

/** Added to the variance: what varies by less than 1e-4 is not blown up to deviation 1. */
const epsilon = 1e-8;

/** A component that has never varied is only centred: it must not explode when it first moves. */
function scaleOf(variance: number): number {
  return variance === 0 ? 1 : 1 / Math.sqrt(variance + epsilon);
}

export class ObservationStatistics {
  readonly #mean: Float64Array;
  readonly #variance: Float64Array;
  #count = 0;
  #table: Float32Array | undefined;

  /** @param size length of an observation */
  constructor(readonly size: number) {
    this.#mean = new Float64Array(size);
    this.#variance = new Float64Array(size);
  }

  /** Observations so far. */
  get count(): number {
    return this.#count;
  }

  /** Mean of each component, length `size`; 0 before the first observation. */
  get mean(): Float64Array {
    return this.#mean.slice();
  }

  /** Variance of each component (of a population: divided by the count), length `size`. */
  get variance(): Float64Array {
    return this.#variance.slice();
  }

  /**
   * What normalises, in float32: [2, size] row-major, the means and then the scales that differences
   * from them are multiplied by. The same array until the statistics change.
   */
  get table(): Float32Array {
    const { size } = this;
    this.#table ??= Float32Array.from({ length: 2 * size }, (_, i) =>
      i < size ? (this.#mean[i] ?? NaN) : scaleOf(this.#variance[i - size] ?? NaN),
    );
    return this.#table;
  }

  /**
   * Take in an observation, length `size`, as the replay buffer holds it: in float32. The update is
   * Welford's (1962), in float64, of the variance in place of the sum of squares.
   */
  add(observation: ArrayLike<number>): void {
    this.#count++;
    for (let i = 0; i < this.size; i++) {
      const value = Math.fround(observation[i] ?? NaN);
      const mean = this.#mean[i] ?? NaN;
      const variance = this.#variance[i] ?? NaN;
      const moved = mean + (value - mean) / this.#count;
      this.#mean[i] = moved;
      this.#variance[i] = variance + ((value - mean) * (value - moved) - variance) / this.#count;
    }
    this.#table = undefined;
  }

  /** Go on from the statistics of `count` observations. */
  restore(count: number, mean: ArrayLike<number>, variance: ArrayLike<number>): void {
    this.#count = count;
    this.#mean.set(mean);
    this.#variance.set(variance);
    this.#table = undefined;
  }

  /** An observation normalised, with the roundings of `Device.normalize`, bit for bit. */
  normalized(observation: ArrayLike<number>): Float32Array {
    const { size, table } = this;
    return Float32Array.from({ length: size }, (_, i) => {
      const value = Math.fround(observation[i] ?? NaN);
      return Math.fround(value - (table[i] ?? NaN)) * (table[size + i] ?? NaN);
    });
  }

  /**
   * Layers that take observations as they are in place of normalised ones. The first becomes
   * W' = W * scale, b' = b - W' mean, summed in float64; zeros of W stay zeros. Where a mean is many
   * times the deviation, products that nearly cancel each other cost as many digits of float32.
   */
  foldInto([first, ...others]: readonly PolicyLayer[]): PolicyLayer[] {
    return first === undefined ? [] : [this.#folded(first), ...others];
  }

  #folded({ weight, bias, ...sizes }: PolicyLayer): PolicyLayer {
    const { size, table } = this;
    const scaled = weight.map((value, i) => value * (table[size + (i % size)] ?? NaN));
    const shifted = bias.map((value, o) => {
      const row = scaled.subarray(o * size, (o + 1) * size);
      return row.reduce((sum, entry, i) => sum - entry * (table[i] ?? NaN), value);
    });
    return { ...sizes, weight: scaled, bias: shifted };
  }
}
