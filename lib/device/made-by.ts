/** Classes whose objects a device makes: their constructors are no way to make one. */
import { invalidValue } from '../errors.js';

/** What only the makers have. */
export const maker = Symbol('maker');
export type Maker = typeof maker;

/**
 * Check that a constructor was called by what makes its objects.
 *
 * @param what the class, e.g. "Replay"
 * @param how what to call in its place, e.g. "device.replay(options)"
 */
export function checkMaker(what: string, how: string, given: unknown): void {
  if (given === maker) return;
  throw invalidValue(
    `the maker of a ${what}`,
    'a device',
    given,
    `Call ${how} in place of new ${what}()`,
  );
}
