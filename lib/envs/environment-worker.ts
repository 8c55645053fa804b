/** The worker's side of `WorkerEnvironment`: makes the environment, then takes its turns. */
import { parentPort, workerData } from 'node:worker_threads';
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
  const { control, text } = shared;
  for (let open = true; open;) {
    Atomics.wait(control, 0, turn.caller);
    control[2] = 0;
    try {
      open = answer(env, shared);
    } catch (error) {
      const { written } = new TextEncoder().encodeInto(messageOf(error), text);
      control[2] = Math.max(written, 1);
    }
    Atomics.store(control, 0, turn.caller);
    Atomics.notify(control, 0);
  }
  parentPort?.close();
}

/** One answer; false when it was the last. */
function answer(env: Environment, { control, action, observation, scalars }: SharedStep): boolean {
  switch (control[1]) {
    case command.step: {
      const result = env.step(action);
      observation.set(result.observation);
      scalars[0] = result.reward;
      scalars[1] = Number(result.terminated);
      scalars[2] = Number(result.truncated);
      return true;
    }
    case command.reset:
      observation.set(env.reset());
      return true;
    case command.seededReset:
      observation.set(env.reset({ seed: scalars[3] ?? 0 }));
      return true;
    default:
      env.close();
      return false;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
