/** Small sums and draws that several tasks share. */
import type { Random } from '../../random.js';
import type { Range } from '../options.js';

/**
 * Sum of squares in single precision.
 *
 * Gymnasium computes control costs on float32 actions, and single precision shows the order of
 * additions. NumPy adds fewer than eight terms one by one; from eight on it keeps eight partial
 * sums, adds these as a tree, and then the terms left over.
 */
export function sumOfSquares32(values: Float32Array): number {
  const { fround } = Math;
  const square = (i: number): number => fround(values[i]! * values[i]!);
  const n = values.length;
  if (n < 8) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum = fround(sum + square(i));
    return sum;
  }
  const lanes = new Float32Array(8);
  const whole = n - (n % 8);
  for (let i = 0; i < whole; i++) lanes[i % 8]! += square(i);
  for (let width = 1; width < 8; width *= 2) {
    for (let i = 0; i < 8; i += 2 * width) lanes[i]! += lanes[i + width]!;
  }
  let sum = lanes[0]!;
  for (let i = whole; i < n; i++) sum = fround(sum + square(i));
  return sum;
}

/** weight * sum of squares of the action, all in single precision as in Gymnasium. */
export function controlCost32(weight: number, action: Float32Array): number {
  return Math.fround(Math.fround(weight) * sumOfSquares32(action));
}

/** Sum of squares in double precision. */
export function sumOfSquares(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return sum;
}

/** The value, or the end of the range that it lies beyond. */
export function clip(value: number, [low, high]: Range): number {
  return Math.min(Math.max(value, low), high);
}

/** Is low < value < high? */
export function isInside(value: number, [low, high]: Range): boolean {
  return low < value && value < high;
}

/** Add noise from [-scale, scale) to every value. */
export function addUniform(values: Float64Array, random: Random, scale: number): void {
  for (let i = 0; i < values.length; i++) values[i]! += random.uniform(-scale, scale);
}

/** Add noise from a normal distribution of deviation `scale` to every value. */
export function addNormal(values: Float64Array, random: Random, scale: number): void {
  for (let i = 0; i < values.length; i++) values[i]! += scale * random.normal();
}

/** Positions from number `skipped` on, then velocities, in a new array. */
export function stateVector(
  { qpos, qvel }: { qpos: Float64Array; qvel: Float64Array },
  skipped = 0,
): Float64Array {
  const positions = qpos.length - skipped;
  // Loops, because on arrays this short they are faster than subarray() and set().
  const state = new Float64Array(positions + qvel.length);
  for (let i = 0; i < positions; i++) state[i] = qpos[skipped + i]!;
  for (let i = 0; i < qvel.length; i++) state[positions + i] = qvel[i]!;
  return state;
}

/** The arrays, one after the other, in a new one. */
export function concatenate(...parts: Float64Array[]): Float64Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Float64Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
