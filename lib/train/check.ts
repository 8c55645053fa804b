/** Checks of what callers pass to `train` and `evaluate`. */
import type { Environment } from '../envs/environment.js';
import { invalidValue } from '../errors.js';
import type { TrainableAgent } from './trainable.js';

/** @throws InvalidValueError unless `env` can be reset and stepped */
export function checkEnvironment(name: string, env: Environment): void {
  if (hasMethods(env, ['reset', 'step'])) return;
  throw invalidValue(name, 'an environment with reset() and step(), as makeEnv() resolves to', env);
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

function hasMethods(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function');
}
