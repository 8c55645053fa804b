/** Errors of native calls. */
import { RunError } from '../errors.js';

/** How messages begin that tell what the machine lacks: memory, threads. */
const lacks = /^(Not enough memory|Could not start)/;

/** The error to throw for one of a native call: a RunError for what the machine lacks. */
export function nativeError(error: unknown): unknown {
  const message = error instanceof Object && 'message' in error ? String(error.message) : '';
  return lacks.test(message) ? new RunError(message, { cause: error }) : error;
}
