/** The worker's side of `WorkerEnvironment`: makes the environment, then takes its turns. */
import { setImmediate } from 'node:timers/promises';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { RunError, invalidValue } from '../errors.js';
import type { Environment, EnvironmentState } from './environment.js';
import { makeEnv } from './registry.js';
import { command, SharedStep, turn } from './worker-environment.js';
import type { WorkerHello } from './worker-environment.js';

const { id, options, port } = workerData as {
  id: string;
  options: Record<string, unknown>;
  port: MessagePort;
};

/** Milliseconds after which the event loop has its turn: what a task prints goes on its way there. */
const longestAway = 20;

try {
  const env = await makeEnv(id, options);
  const { observationSize, actionSize, actionLow, actionHigh } = env;
  parentPort?.once('message', (memory: SharedArrayBuffer) => {
    void takeTurns(env, new SharedStep(memory, env));
  });
  const { givenOptions = options } = env;
  const hello: WorkerHello = { observationSize, actionSize, actionLow, actionHigh, givenOptions };
  parentPort?.postMessage(hello);
} catch (error) {
  parentPort?.postMessage({ error: messageOf(error) });
}

/** Do what is asked until the environment is closed. */
async function takeTurns(env: Environment, shared: SharedStep): Promise<void> {
  const { control } = shared;
  process.once('exit', (code) => {
    control[3] = 1;
    tell(
      `${env.id} ended its worker thread (exit code ${code}). Does it call process.exit()?`,
      shared,
    );
    // The caller may be waiting for an answer that does not come.
    giveTurn(shared);
  });
  let lastThere = performance.now();
  for (let open = true; open;) {
    const waited = Atomics.wait(control, 0, turn.caller, longestAway);
    if (waited === 'timed-out' || performance.now() - lastThere > longestAway) {
      await setImmediate();
      lastThere = performance.now();
      if (waited === 'timed-out') continue;
    }
    control[2] = 0;
    try {
      open = answer(env, shared);
    } catch (error) {
      tell(messageOf(error), shared);
    }
    giveTurn(shared);
  }
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
function answer(env: Environment, shared: SharedStep): boolean {
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
      port.postMessage(env.state?.());
      return true;
    case command.restore:
      restore(env, receiveMessageOnPort(port)?.message as EnvironmentState);
      return true;
    default:
      env.close();
      port.close();
      return false;
  }
}

function restore(env: Environment, state: EnvironmentState): void {
  if (env.restore !== undefined) return env.restore(state);
  throw new RunError(`${env.id} cannot go on from a state: it has no restore()`);
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
