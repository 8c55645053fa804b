/** Checks of what callers pass to `train` and `evaluate`. */
import type { Environment } from '../envs/environment.js';
import { checkInteger, invalidValue } from '../errors.js';
import type { PolicyNetwork, TrainableAgent } from './trainable.js';

/** @throws InvalidValueError unless `env` is all that an environment has to be */
export function checkEnvironment(name: string, env: Environment): void {
  if (!hasMethods(env, ['reset', 'step'])) {
    const expected = 'an environment with reset() and step(), as makeEnv() resolves to';
    throw invalidValue(name, expected, env);
  }
  if (typeof env.id !== 'string' || env.id === '') {
    throw invalidValue(`${name}.id`, "the task's name", env.id);
  }
  checkInteger(`${name}.observationSize`, env.observationSize);
  checkInteger(`${name}.actionSize`, env.actionSize);
}

/** @throws InvalidValueError unless there is a limit to each component of an action */
export function checkLimits(name: string, env: Environment): void {
  for (const limit of ['actionLow', 'actionHigh'] as const) {
    if (env[limit]?.length === env.actionSize) continue;
    throw invalidValue(`${name}.${limit}`, `an array of length ${env.actionSize}`, env[limit]);
  }
}

/**
 * @param what of whom the policy is, for error messages
 * @throws InvalidValueError unless the policy's observations and actions are the task's, actions in the same units
 */
export function checkFits(what: string, policy: PolicyNetwork, env: Environment): void {
  checkLimits('env', env);
  const { layers, actionLow, actionHigh } = policy;
  const sizes = { observationSize: layers[0]?.inSize, actionSize: actionLow.length };
  for (const size of ['observationSize', 'actionSize'] as const) {
    if (sizes[size] === env[size]) continue;
    const remedy = 'Make the agent with the sizes of the environment';
    throw invalidValue(`${what}'s ${size}`, `${env[size]}, as in env,`, sizes[size], remedy);
  }
  checkSameLimits(`${what}'s actionLow`, actionLow, env.actionLow, 'env');
  checkSameLimits(`${what}'s actionHigh`, actionHigh, env.actionHigh, 'env');
}

/** @throws InvalidValueError unless two limits of actions are the same in float32 */
export function checkSameLimits(
  name: string,
  limits: ArrayLike<number>,
  expected: ArrayLike<number>,
  where: string,
): void {
  for (let i = 0; i < expected.length; i++) {
    if (Math.fround(limits[i] ?? NaN) === Math.fround(expected[i] ?? NaN)) continue;
    const remedy = 'Make the agent with the limits of the environment';
    throw invalidValue(`${name}[${i}]`, `${expected[i]}, as in ${where},`, limits[i], remedy);
  }
}

/** @throws InvalidValueError unless `agent` has the methods named */
export function checkAgent<Name extends keyof TrainableAgent>(
  agent: Pick<TrainableAgent, Name>,
  methods: readonly Name[],
): void {
  if (hasMethods(agent, methods)) return;
  const names = methods.map((name) => `${name}()`).join(', ');
  throw invalidValue('agent', `an agent with ${names}, such as a Td3Agent,`, agent);
}

/** @throws InvalidValueError unless `signal` is an AbortSignal or undefined */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined || hasMethods(signal, ['throwIfAborted'])) return;
  throw invalidValue('signal', 'an AbortSignal', signal);
}

/** Whether `value` is an object with these methods. */
export function hasMethods(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function');
}
