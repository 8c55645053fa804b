/** What environments were made with, so that a run can say it. */
import { isDeepStrictEqual } from 'node:util';
import type { Environment } from './environment.js';

/** Of environments that do not say it themselves: what `makeEnv` was given. */
const remembered = new WeakMap<Environment, Readonly<Record<string, unknown>>>();

/** Keep what an environment was made with. */
export function rememberOptions(
  env: Environment,
  options: Readonly<Record<string, unknown>>,
): void {
  if (typeof env === 'object' && env !== null) remembered.set(env, { ...options });
}

/**
 * Options that make the same environment again: those that differ from the task's defaults, or for
 * a task that does not say so, what `makeEnv` was given. Undefined where nobody knows.
 */
export function givenOptionsOf(env: Environment): Readonly<Record<string, unknown>> | undefined {
  return env.givenOptions ?? remembered.get(env);
}

/** Those options that differ from their defaults. */
export function differingOptions<Options extends object>(
  options: Readonly<Options>,
  defaults: Readonly<Options>,
): Readonly<Partial<Options>> {
  const differs = ([name, value]: [string, unknown]): boolean =>
    !isDeepStrictEqual(value, defaults[name as keyof Options]);
  return Object.fromEntries(Object.entries(options).filter(differs)) as Partial<Options>;
}
