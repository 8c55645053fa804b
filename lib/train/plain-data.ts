/** Data on their way to a JSON file and back: JSON has no infinity, which ranges of tasks may have. */
import { describeValue, invalidValue } from '../errors.js';

const infinities = new Map<unknown, string>([
  [Infinity, 'Infinity'],
  [-Infinity, '-Infinity'],
]);

/**
 * What a JSON file can hold of `value`: infinities become the strings "Infinity" and "-Infinity".
 *
 * @param name what error messages call the value
 * @throws InvalidValueError for NaN, functions and all else that a file cannot hold
 */
export function toPlainData(name: string, value: unknown): unknown {
  if (typeof value === 'number') return infinities.get(value) ?? finite(name, value);
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  if (Array.isArray(value)) return value.map((item, i) => toPlainData(`${name}[${i}]`, item));
  if (ArrayBuffer.isView(value) && 'length' in value) {
    return toPlainData(name, Array.from(value as unknown as ArrayLike<unknown>));
  }
  if (!isRecord(value)) throw notPlain(name, value);
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(
    entries.map(([key, each]) => [key, toPlainData(`${name}.${key}`, each)]),
  );
}

/** The value that `toPlainData` was given. */
export function fromPlainData(value: unknown): unknown {
  for (const [number, text] of infinities) if (value === text) return number;
  if (Array.isArray(value)) return value.map(fromPlainData);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, fromPlainData(each)]));
}

function notPlain(name: string, value: unknown): Error {
  const [root = name] = name.split(/[.[]/);
  const what = typeof value === 'bigint' ? `${value}, a BigInt` : describeValue(value);
  const expected = 'plain data, such as a JSON file can hold,';
  return invalidValue(root, expected, value, `${name} is ${what}`);
}

function finite(name: string, value: number): number {
  if (Number.isFinite(value)) return value;
  throw invalidValue(name, 'a number', value);
}

/** An object without a class of its own; one of another realm (a worker's, a test's) is as good. */
function isRecord(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
