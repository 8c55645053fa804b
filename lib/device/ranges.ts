/** Ranges of outputs: a lower and an upper end for each dimension. */
import { checkFloat32, invalidValue, isFloat32 } from '../errors.js';

/** Check that `limits` are the lower or upper ends of so many ranges. */
export function checkLimits(name: string, limits: unknown, length: number): void {
  if (limits instanceof Float32Array && limits.length === length) return;
  throw invalidValue(name, `a Float32Array of length ${length}`, limits);
}

/** Check ranges of outputs: finite, not empty, and of a width that float32 can hold. */
export function checkRanges(low: Float32Array, high: Float32Array, outputs: number): void {
  checkLimits('outputRange.low', low, outputs);
  checkLimits('outputRange.high', high, outputs);
  low.forEach((lower, i) => {
    const upper = high[i]!;
    checkFloat32(`outputRange.low[${i}]`, lower);
    if (upper > lower && isFloat32(upper - lower)) return;
    const expected = `above outputRange.low[${i}] (${lower}), by a number that float32 can hold,`;
    throw invalidValue(`outputRange.high[${i}]`, expected, upper);
  });
}
