/** Numbers as text that keeps every bit: JSON makes 0 of -0 and null of NaN and infinity. */
import { invalidValue } from '../errors.js';

/** Float64, little endian, as base64. */
export function encodeNumbers(values: ArrayLike<number>): string {
  const bytes = Buffer.alloc(8 * values.length);
  for (let i = 0; i < values.length; i++) bytes.writeDoubleLE(values[i] ?? NaN, 8 * i);
  return bytes.toString('base64');
}

/**
 * What `encodeNumbers` was given.
 *
 * @param name what error messages call it
 * @throws InvalidValueError unless `text` holds `length` numbers
 */
export function decodeNumbers(name: string, text: unknown, length: number): Float64Array {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : undefined;
  if (bytes?.length !== 8 * length || bytes.toString('base64') !== text) {
    throw invalidValue(name, `${length} numbers as base64`, text);
  }
  return Float64Array.from({ length }, (_, i) => bytes.readDoubleLE(8 * i));
}
