/** The worker's side of `WorkerEnvironment`: makes the environment, then takes its turns. */
import { parentPort, workerData } from 'node:worker_threads';
import { invalidValue } from '../errors.js';
import type { Environment } from './environment.js';
import { makeEnv } from './registry.js';
import { command, SharedStep, turn } from './worker-environment.js';
import type { WorkerHello } from './worker-environment.js';

const { id, options } = workerData as { id: string; options: Record<string, unknown> };

try {
  const env = await makeEnv(id, options);
  const { observationSize, actionSize, actionLow, actionHigh } = env;
  parentPort?.once('message', (memory: SharedArrayBuffer) => {
    takeTurns(env, new SharedStep(memory, env));
  });
  const hello: WorkerHello = { observationSize, actionSize, actionLow, actionHigh };
  parentPort?.postMessage(hello);
} catch (error) {
  parentPort?.postMessage({ error: messageOf(error) });
}

/** Do what is asked until the environment is closed. */
function takeTurns(env: Environment, shared: SharedStep): void {
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
    default:
      env.close();
      return false;
  }
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
