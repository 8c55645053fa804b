/** The worker's side of `WorkerEnvironment`: makes the environment, then takes its turns. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { InvalidValueError, invalidValue, RunError } from '../errors.js';
import { Pause } from '../pause.js';
import type { Environment, EnvironmentState } from './environment.js';
import { givenOptionsOf } from './given-options.js';
import { makeEnv } from './registry.js';
import { writeAtOnce } from './worker-output.js';
import { at, command, SharedStep, turn } from './worker-protocol.js';
import type { WorkerHello, WorkerStart } from './worker-protocol.js';

const { id, options } = workerData as { id: string; options: Record<string, unknown> };

/** Milliseconds for which a wait for the caller holds up what else the task does (timers, sockets). */
const shortWait = 20;

writeAtOnce(process.stdout, 1);
writeAtOnce(process.stderr, 2);
try {
  const env = await makeEnv(id, options);
  const { observationSize, actionSize, actionLow, actionHigh } = env;
  const givenOptions = givenOptionsOf(env);
  parentPort?.once('message', ({ memory, states }: WorkerStart) => {
    void takeTurns(env, new SharedStep(memory, env), states);
  });
  const spaces = { observationSize, actionSize, actionLow, actionHigh };
  const hello: WorkerHello = { ...spaces, givenOptions };
  parentPort?.postMessage(hello);
} catch (error) {
  parentPort?.postMessage({ error: messageOf(error) });
}

/** Do what is asked until the environment is closed. */
async function takeTurns(env: Environment, shared: SharedStep, states: MessagePort): Promise<void> {
  const { control } = shared;
  const pause = new Pause(shortWait);
  tellOfTheEnd(env, shared);
  // Nothing else keeps the thread alive while the event loop waits.
  const alive = setInterval(() => {}, 2 ** 30);
  for (let open = true; open;) {
    // A short wait costs less than to be woken by way of the event loop.
    if (!shared.wait(turn.caller, shortWait)) await shared.waitMeanwhile(turn.caller);
    control[at.textLength] = 0;
    try {
      open = answer(env, shared, states);
    } catch (error) {
      control[at.isInvalidValue] = Number(error instanceof InvalidValueError);
      tell(messageOf(error), shared);
    }
    shared.give(turn.caller);
    if (open && Atomics.load(control, at.leave) === 1) {
      env.close();
      open = false;
    }
    if (pause.due) await pause.take();
  }
  clearInterval(alive);
  states.close();
  parentPort?.close();
}

/** Have the caller know when the thread ends: it would wait for an answer that does not come. */
function tellOfTheEnd(env: Environment, shared: SharedStep): void {
  let reason = 'Does it call process.exit()?';
  process.once('uncaughtExceptionMonitor', (error) => {
    reason = `An error that nothing caught: ${messageOf(error)}`;
  });
  process.once('exit', (code) => {
    shared.control[at.isInvalidValue] = 0;
    tell(`${env.id} ended its worker thread (exit code ${code}). ${reason}`, shared);
    Atomics.store(shared.control, at.ended, 1);
    if (Atomics.load(shared.control, at.turn) === turn.worker) shared.give(turn.caller);
  });
}

function tell(message: string, { control, text }: SharedStep): void {
  const { written } = new TextEncoder().encodeInto(message, text);
  control[at.textLength] = Math.max(written, 1);
}

/** One answer; false when it was the last. */
function answer(env: Environment, shared: SharedStep, states: MessagePort): boolean {
  const { control, action, scalars } = shared;
  switch (control[at.command]) {
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
