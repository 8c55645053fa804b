/** Where a command writes, and how it marks up text for people. */
import { stringifyJson } from '../json.js';

/** The part of a stream that commands use. */
export type Output = Pick<NodeJS.WriteStream, 'write'> & { isTTY?: boolean; columns?: number };

/** What a command gets from the outside: two streams. */
export interface Terminal {
  /** Results. */
  readonly stdout: Output;
  /** Progress and errors. */
  readonly stderr: Output;
}

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
} as const;

/** Mark up `text` if `output` is a terminal and NO_COLOR is not set. */
export function paint(output: Output, style: keyof typeof codes, text: string): string {
  if (output.isTTY !== true || (process.env['NO_COLOR'] ?? '') !== '') return text;
  const [on, off] = codes[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

/** A message about what went wrong, marked as one. */
export function describeFault(output: Output, message: string): string {
  return `${paint(output, 'red', 'error:')} ${message}`;
}

/** A message about what may not be meant, marked as one. */
export function describeWarning(output: Output, message: string): string {
  return `${paint(output, 'yellow', 'warning:')} ${message}`;
}

/** Write one line. */
export function print(output: Output, line = ''): void {
  output.write(`${line}\n`);
}

/** Write one value as a line of JSON. */
export function printJson(output: Output, value: unknown): void {
  print(output, stringifyJson(value));
}
