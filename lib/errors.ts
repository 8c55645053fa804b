/**
 * The one place that words errors about values a caller passed.
 *
 * Every message has the same form, so that a user learns to read it once:
 * "Expected batchSize to be a positive integer but received -3 of type number".
 */
import { suggest } from './nearest.js';

/** What the message about a value is made of. */
export interface InvalidValue {
  /** The parameter's name, as the caller writes it. */
  name: string;
  /** What it has to be, e.g. "a positive integer". */
  expected: string;
  /** The value that came instead. */
  received: unknown;
  /** A sentence that says what to do next. */
  remedy?: string | undefined;
}

/** An error caused by a value that a caller passed; the command line prints it without a stack. */
export class InvalidValueError extends TypeError {
  override readonly name = 'InvalidValueError';
  /** The parts of the message, where it has the usual form. */
  readonly parts?: InvalidValue;

  constructor(message: string, parts?: InvalidValue) {
    super(message);
    if (parts !== undefined) this.parts = parts;
  }
}

/** An error of the world around the program (disk, file content, device), with what to do next. */
export class RunError extends Error {
  override readonly name = 'RunError';
}

/** Characters of a text that a message shows; the rest tells nobody anything. */
const longestText = 1000;

/** How a value is shown in an error message: short, and never throwing. */
export function describeValue(value: unknown): string {
  try {
    return describeAny(value);
  } catch {
    // A proxy or a getter of the caller threw.
    return `${typeof value} that cannot be read`;
  }
}

function describeAny(value: unknown): string {
  if (typeof value === 'string') return describeText(value);
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') {
    return `${String(value)} of type ${typeof value}`;
  }
  if (typeof value === 'function') return `function ${String(value.name) || '(anonymous)'}`;
  if (typeof value === 'symbol') return value.toString();
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    const length = 'length' in value ? value.length : value.byteLength;
    return `${className(value) ?? 'array'} of length ${String(length)}`;
  }
  return `object ${className(value) ?? ''}`.trim();
}

function describeText(text: string): string {
  if (text.length <= longestText) return JSON.stringify(text);
  return `${JSON.stringify(text.slice(0, longestText))}... (${text.length} characters)`;
}

/** What made an object; undefined for one without a prototype, or whose maker has no name. */
function className(value: object): string | undefined {
  const name: unknown = (value.constructor as { name?: unknown } | undefined)?.name;
  return typeof name === 'string' && name !== '' ? name : undefined;
}

/** The sentence about a value; `received` is the value as it is to be shown. */
export function wordInvalidValue(
  { name, expected, remedy }: InvalidValue,
  received: string,
): string {
  const tail = remedy === undefined ? '' : `. ${remedy}`;
  return `Expected ${name} to be ${expected} but received ${received}${tail}`;
}

/** Make (not throw) the error for a value that is not what was expected; see `InvalidValue`. */
export function invalidValue(
  name: string,
  expected: string,
  received: unknown,
  remedy?: string,
): InvalidValueError {
  const parts = { name, expected, received, remedy };
  return new InvalidValueError(wordInvalidValue(parts, describeValue(received)), parts);
}

/** Make the error for an object that was closed where one that can be used is needed. */
export function closedValue(name: string, what: string): InvalidValueError {
  return new InvalidValueError(`Expected ${name} to be ${what} but received one that was closed`);
}

/** Check that `value` is one of these strings. */
export function checkOneOf(name: string, value: unknown, choices: readonly string[]): void {
  if (choices.includes(value as string)) return;
  throw invalidValue(name, `one of "${choices.join('", "')}"`, value);
}

/** Check that `value` is an integer within [minimum, maximum] (default: from 1 on) and return it. */
export function checkInteger(
  name: string,
  value: unknown,
  minimum = 1,
  maximum = Number.MAX_SAFE_INTEGER,
): number {
  const isInteger = typeof value === 'number' && Number.isSafeInteger(value);
  if (isInteger && value >= minimum && value <= maximum) return value;
  throw invalidValue(name, describeIntegers(minimum, maximum), value);
}

function describeIntegers(minimum: number, maximum: number): string {
  if (maximum < Number.MAX_SAFE_INTEGER) return `an integer from ${minimum} to ${maximum}`;
  if (minimum === 1) return 'a positive integer';
  return minimum === 0 ? 'a non-negative integer' : `an integer of at least ${minimum}`;
}

/** Check that `value` is a finite number within [low, high] and return it. */
export function checkNumber(
  name: string,
  value: unknown,
  low = -Infinity,
  high = Infinity,
): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= low && value <= high) {
    return value;
  }
  const range =
    low === -Infinity && high === Infinity ? 'a finite number' : `a number from ${low} to ${high}`;
  throw invalidValue(name, range, value);
}

/** Check that `value` is true or false and return it. */
export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw invalidValue(name, 'a boolean', value);
}

/** Check that `value` is an object, which it should be as `expected` says. */
export function checkObject(name: string, value: unknown, expected = 'an object'): void {
  if (typeof value !== 'object' || value === null) throw invalidValue(name, expected, value);
}

/**
 * Make the error for a name that is no option, with the nearest one that is.
 *
 * @param where says where the name was found, e.g. " in config.json"
 */
export function unknownOption(
  name: string,
  known: readonly string[],
  where = '',
): InvalidValueError {
  return invalidValue(`an option name${where}`, 'a known one', name, suggest(name, known));
}

/**
 * Check that `value` is an object all of whose keys are known: what nobody reads was meant to do something.
 *
 * @param name of the options, for error messages
 * @returns the value, for a caller to take apart
 */
export function checkOptions<Options>(
  name: string,
  value: Options,
  known: readonly (keyof Options & string)[],
): Options {
  checkObject(name, value);
  for (const key of Object.keys(value as object)) {
    if (!(known as readonly string[]).includes(key)) throw unknownOption(key, known, ` in ${name}`);
  }
  return value;
}

/** Check that `value` is text and return it. */
export function checkText(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw invalidValue(name, 'a string', value);
}

/** Check that `value` can be called. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidValue(name, 'a function', value);
}

/** True for a number that is finite, and stays so in the float32 that networks and replay hold. */
export function isFloat32(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(Math.fround(value));
}

/** Check that `value` is such a number and return it. */
export function checkFloat32(name: string, value: unknown): number {
  if (isFloat32(value)) return value;
  const isTooLarge = Number.isFinite(value);
  const expected = isTooLarge ? 'a number that float32 can hold (up to 3.4e38)' : 'a finite number';
  throw invalidValue(name, expected, value);
}
