/** Environments by name: the built-in tasks and those a user registers. */
import { InvalidValueError, invalidValue } from '../errors.js';
import { findNearest } from '../nearest.js';
import type { Environment } from './environment.js';
import { rememberOptions } from './given-options.js';
import { MujocoEnvironment } from './mujoco/engine.js';
import { loadEngine } from './mujoco/simulation.js';
import { tasks } from './mujoco/tasks/index.js';
import type { TaskId, TaskOptions } from './mujoco/tasks/index.js';

/** Makes an environment of a registered name. */
export type EnvironmentFactory = (
  options: Readonly<Record<string, unknown>>,
) => Environment | Promise<Environment>;

const factories = new Map<string, EnvironmentFactory>();
for (const task of Object.values(tasks)) {
  factories.set(task.id, async (options) => {
    return new MujocoEnvironment(await loadEngine(), task as never, options);
  });
}

/** The names that `makeEnv` knows now. */
export function environmentIds(): string[] {
  return [...factories.keys()];
}

/**
 * Give a name to an environment of your own, so that `makeEnv` knows it, and the command line where
 * Node imports the module that does so first (`node --import`).
 *
 * @throws InvalidValueError when the name is empty or taken
 */
export function registerEnvironment(id: string, factory: EnvironmentFactory): void {
  if (typeof id !== 'string' || id === '') throw invalidValue('id', 'a non-empty string', id);
  if (typeof factory !== 'function') throw invalidValue('factory', 'a function', factory);
  if (factories.has(id)) throw invalidValue('id', 'a name not yet taken', id);
  factories.set(id, factory);
}

/**
 * Make an environment by name.
 *
 * @param id e.g. "HalfCheetah-v5"; see `environmentIds()`
 * @param options the task's options, by default Gymnasium's (camelCase); see each task's file
 * @throws InvalidValueError for an unknown name or option
 */
export async function makeEnv<Id extends TaskId>(
  id: Id,
  options?: Partial<TaskOptions[Id]>,
): Promise<MujocoEnvironment<TaskOptions[Id]>>;
export async function makeEnv(
  id: string,
  options?: Readonly<Record<string, unknown>>,
): Promise<Environment>;
export async function makeEnv(
  id: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<Environment> {
  const factory = factories.get(id);
  if (factory === undefined) throw unknownEnvironment(id);
  const env = await factory(options);
  rememberOptions(env, options);
  return env;
}

function unknownEnvironment(id: unknown): Error {
  if (typeof id !== 'string') return invalidValue('id', 'the name of an environment', id);
  const known = environmentIds();
  const nearest = findNearest(id, known) ?? findNearest(`${id}-v5`, known);
  const question = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
  return new InvalidValueError(
    `Unknown environment ${JSON.stringify(id)}.${question} Known are ${known.join(', ')}; ` +
      'registerEnvironment() adds one of your own. For the command line call it in a module that ' +
      'Node imports first: NODE_OPTIONS="--import ./my-task.js" npx rnm-td3 ...',
  );
}
