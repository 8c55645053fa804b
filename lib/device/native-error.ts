/** Errors of native calls. */
import { InvalidValueError, RunError } from '../errors.js';

/** What C++'s library and JavaScript say for too little memory. */
const allocationFailed =
  /^(std::bad_alloc|Array buffer allocation failed|Invalid typed array length)/;
const outOfMemory = 'Not enough memory: use a smaller batchSize, hiddenSizes or bufferSize';
/** How native code says that an argument is not what it has to be; all else is of the machine or the state. */
const aboutArgument = /^Expected /;

/**
 * The error to throw for one of a native call: an InvalidValueError about an argument, which native code names,
 * or a RunError. Errors of this package are passed on.
 */
export function nativeError(error: unknown): InvalidValueError | RunError {
  if (error instanceof InvalidValueError || error instanceof RunError) return error;
  // Not by `instanceof Error`: in another realm of JavaScript, as tests run in, it is none.
  const message = String((error as Error | undefined)?.message);
  if (allocationFailed.test(message)) return new RunError(outOfMemory, { cause: error });
  if (!aboutArgument.test(message)) return new RunError(message, { cause: error });
  const invalid = new InvalidValueError(message);
  invalid.cause = error;
  return invalid;
}

/**
 * Make a call that may allocate arrays of JavaScript.
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
