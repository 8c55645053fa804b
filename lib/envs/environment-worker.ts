/** The worker's side of `WorkerEnvironment`: makes the environment, then takes its turns. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { InvalidValueError, invalidValue, RunError } from '../errors.js';
import type { Environment, EnvironmentState } from './environment.js';
import { givenOptionsOf } from './given-options.js';
import { makeEnv } from './registry.js';
import { command, SharedStep, turn } from './worker-environment.js';
import type { WorkerHello, WorkerStart } from './worker-environment.js';

const { id, options } = workerData as { id: string; options: Record<string, unknown> };

try {
  const env = await makeEnv(id, options);
  const { observationSize, actionSize, actionLow, actionHigh } = env;
  parentPort?.once('message', ({ memory, states }: WorkerStart) => {
    takeTurns(env, new SharedStep(memory, env), states);
  });
  const givenOptions = givenOptionsOf(env);
  const spaces = { observationSize, actionSize, actionLow, actionHigh };
  const hello: WorkerHello = { ...spaces, givenOptions };
  parentPort?.postMessage(hello);
} catch (error) {
  parentPort?.postMessage({ error: messageOf(error) });
}

/** Do what is asked until the environment is closed. */
function takeTurns(env: Environment, shared: SharedStep, states: MessagePort): void {
  const { control } = shared;
  process.once('exit', (code) => {
    // The caller would wait for an answer that does not come.
    if (Atomics.load(control, 0) !== turn.worker) return;
    control[3] = 1;
    tell(
      `${env.id} ended its worker thread (exit code ${code}). Does it call process.exit()?`,
      shared,
    );
    giveTurn(shared);
  });
  for (let open = true; open;) {
    Atomics.wait(control, 0, turn.caller);
    control[2] = 0;
    try {
      open = answer(env, shared, states);
    } catch (error) {
      control[4] = Number(error instanceof InvalidValueError);
      tell(messageOf(error), shared);
    }
    giveTurn(shared);
  }
  states.close();
  parentPort?.close();
}

function tell(message: string, { control, text }: SharedStep): void {
  const { written } = new TextEncoder().encodeInto(message, text);
  control[2] = Math.max(written, 1);
}

function giveTurn({ control }: SharedStep): void {
  Atomics.store(control, 0, turn.caller);
  Atomics.notify(control, 0);
}

/** One answer; false when it was the last. */
function answer(env: Environment, shared: SharedStep, states: MessagePort): boolean {
  const { control, action, scalars } = shared;
  switch (control[1]) {
    case command.step: {
      const result = env.step(action);
      show(env, result.observation, shared);
      scalars[0] = result.reward;
      scalars[1] = Number(result.terminated);
      scalars[2] = Number(result.truncated);
      return true;
    }
    case command.reset:
      show(env, env.reset(), shared);
      return true;
    case command.seededReset:
      show(env, env.reset({ seed: scalars[3] ?? 0 }), shared);
      return true;
    case command.state:
      states.postMessage(env.state?.());
      return true;
    case command.restore:
      restore(env, receiveMessageOnPort(states)?.message as EnvironmentState);
      return true;
    default:
      env.close();
      return false;
  }
}

function restore(env: Environment, state: EnvironmentState): void {
  if (env.restore === undefined) {
    throw new RunError(`${env.id} has no restore(): it cannot go on in the middle of an episode`);
  }
  env.restore(state);
}

/** A shorter one would leave values of the last one behind it. */
function show(env: Environment, values: ArrayLike<number>, { observation }: SharedStep): void {
  if (values?.length !== observation.length) {
    const expected = `an array of length ${observation.length} (observationSize)`;
    throw invalidValue(`the observation of ${env.id}`, expected, values);
  }
  observation.set(values);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
