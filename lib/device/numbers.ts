/** Numbers of a caller as the float32 that native code takes. */
import { invalidValue } from '../errors.js';

/**
 * The values as a Float32Array: themselves if they are one, else a copy.
 *
 * @param expected of the whole array, for error messages
 * @throws InvalidValueError for something else than an array of this length, or than a number in it
 */
export function float32Of(
  name: string,
  values: unknown,
  length: number,
  expected = `an array of length ${length}`,
): Float32Array {
  if (values instanceof Float32Array && values.length === length) return values;
  if (!isArrayOf(values, length)) throw invalidValue(name, expected, values);
  const copy = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    const value = values[i];
    if (typeof value !== 'number') throw invalidValue(`${name}[${i}]`, 'a number', value);
    copy[i] = value;
  }
  return copy;
}

function isArrayOf(values: unknown, length: number): values is ArrayLike<unknown> {
  if (typeof values !== 'object' || values === null) return false;
  return (values as { length?: unknown }).length === length;
}
