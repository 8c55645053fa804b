/**
 * JSON that keeps every number but NaN. The notation has room for all of them, and readers give them
 * back (`JSON.parse('1e999')` is Infinity); it is only `JSON.stringify` that writes null or 0.
 */
import { invalidValue } from './errors.js';

/** How numbers that `JSON.stringify` changes are written. */
const literals = [
  { holds: (value: number) => value === Infinity, literal: '1e999' },
  { holds: (value: number) => value === -Infinity, literal: '-1e999' },
  { holds: (value: number) => Object.is(value, -0), literal: '-0' },
] as const;

/** No text that anyone writes begins so. */
const mark = '\u0000\u0000number ';
const marked = new RegExp(
  `"${JSON.stringify(mark).slice(1, -1).replaceAll('\\', '\\\\')}(\\S+?)"`,
  'g',
);

/** `JSON.stringify` of data that passes `checkJson`, with -0 and infinite numbers as they are. */
export function stringifyJson(value: unknown, space?: number): string {
  const text = JSON.stringify(
    value,
    (_, each: unknown) => (typeof each === 'number' ? markNumber(each) : each),
    space,
  );
  return text.replaceAll(marked, '$1');
}

function markNumber(value: number): number | string {
  const found = literals.find(({ holds }) => holds(value));
  return found === undefined ? value : mark + found.literal;
}

/**
 * Check that data can be written as JSON and read back as it was. Members that are undefined are left
 * out, as by `JSON.stringify`.
 *
 * @param name what the message calls the data
 * @throws InvalidValueError that names the member which JSON cannot hold
 */
export function checkJson(name: string, value: unknown, remedy?: string): void {
  checkMember(name, value, remedy, []);
}

function checkMember(
  name: string,
  value: unknown,
  remedy: string | undefined,
  around: readonly unknown[],
): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number' && !Number.isNaN(value)) return;
  if (typeof value !== 'object' || !isPlain(value)) throw cannotHold(name, value, remedy);
  if (around.includes(value)) throw cannotHold(name, value, remedy, 'which contains itself');
  const inside = [...around, value];
  if (Array.isArray(value)) {
    value.forEach((each, i) => checkMember(`${name}[${i}]`, each, remedy, inside));
    return;
  }
  for (const [key, each] of Object.entries(value)) {
    if (each !== undefined) checkMember(`${name}.${key}`, each, remedy, inside);
  }
}

/** Dates, maps and typed arrays come back as something else. */
function isPlain(value: object): boolean {
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function cannotHold(name: string, value: unknown, remedy?: string, what = ''): Error {
  const expected = `data that JSON can hold (text, numbers but NaN, true, false, null, arrays, plain objects)`;
  return invalidValue(name, expected, what === '' ? value : `an object ${what}`, remedy);
}
