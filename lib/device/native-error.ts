/** Errors of native calls. */
import { RunError } from '../errors.js';

/** How messages begin that tell what the machine lacks: memory, threads. */
const lacks = /^(Not enough memory|Could not start)/;
/** What C++'s library and JavaScript say for too little memory. */
const allocationFailed =
  /^(std::bad_alloc|Array buffer allocation failed|Invalid typed array length)/;
const outOfMemory = 'Not enough memory: use a smaller batchSize, hiddenSizes or bufferSize';

/** The error to throw for one of a native call: a RunError for what the machine lacks. */
export function nativeError(error: unknown): unknown {
  const message = String((error as Error | undefined)?.message);
  if (allocationFailed.test(message)) return new RunError(outOfMemory, { cause: error });
  return lacks.test(message) ? new RunError(message, { cause: error }) : error;
}

/**
 * Make a call that may allocate.
 *
 * @throws RunError if there is not enough memory
 */
export function allocating<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw nativeError(error);
  }
}
