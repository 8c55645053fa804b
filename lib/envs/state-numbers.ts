/**
 * Numbers of an environment's state as text: JSON knows no -0, NaN or Infinity, and the state has to
 * come back to the bit.
 */
import { invalidValue } from '../errors.js';

const bytesPerNumber = 8;

/** The numbers as base64 of little-endian float64. */
export function encodeNumbers(values: ArrayLike<number>): string {
  const bytes = Buffer.alloc(bytesPerNumber * values.length);
  for (let i = 0; i < values.length; i++) bytes.writeDoubleLE(values[i]!, bytesPerNumber * i);
  return bytes.toString('base64');
}

/**
 * Read what `encodeNumbers` wrote.
 *
 * @param name what the message calls the text
 * @param length how many numbers there have to be
 * @throws InvalidValueError when it is not that many numbers, or one of them is not finite
 */
export function decodeNumbers(name: string, text: unknown, length: number): Float64Array {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : undefined;
  // Node passes over whatever is not base64.
  const isWhole = bytes?.length === bytesPerNumber * length && bytes.toString('base64') === text;
  if (!isWhole) throw invalidValue(name, `${length} numbers as base64 of float64`, text);
  const values = Float64Array.from({ length }, (_, i) => bytes.readDoubleLE(bytesPerNumber * i));
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw invalidValue(`${name}[${bad}]`, 'a finite number', values[bad]);
  return values;
}
