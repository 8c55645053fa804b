/**
 * JSON that keeps every number but NaN: numbers for which JSON has no notation that every program
 * passes on are written as text, "Infinity", "-Infinity" and "-0".
 */
import { invalidValue } from './errors.js';

/** Numbers that `JSON.stringify` changes, by how they are written. */
const named = new Map<unknown, number>([
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['-0', -0],
]);

/** `JSON.stringify` for data that `readNumbers` gives back; NaN becomes null. */
export function stringifyJson(value: unknown, space?: number): string {
  const nameNumber = (_: string, each: unknown): unknown => {
    for (const [name, number] of named) if (Object.is(each, number)) return name;
    return each;
  };
  return JSON.stringify(value, nameNumber, space);
}

/** The number that a text of `stringifyJson` stands for; any other value as it is. */
export function readNumber(value: unknown): unknown {
  return named.get(value) ?? value;
}

/** A copy of plain data in which texts that stand for numbers are these numbers. */
export function readNumbers<Data>(value: Data): Data {
  if (Array.isArray(value)) return value.map(readNumbers) as Data;
  if (typeof value !== 'object' || value === null) return readNumber(value) as Data;
  const members = Object.entries(value).map(([key, each]) => [key, readNumbers(each)] as const);
  return Object.fromEntries(members) as Data;
}

/**
 * Check that data can be written by `stringifyJson` and read back as it was. Members that are undefined are left
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
  if (around.includes(value))
    throw invalidValue(name, 'data that does not contain itself', value, remedy);
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

function cannotHold(name: string, value: unknown, remedy?: string): Error {
  return invalidValue(name, 'data that JSON can hold', value, remedy);
}
