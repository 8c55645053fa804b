/** What sparsity gains here: updates and whole training steps, dense against every pattern, by width. */
import { makeEnv } from '../envs/index.js';
import type { Environment } from '../envs/index.js';
import type { Td3Agent } from '../td3/agent.js';
import { busyElsewhere, ratioOfTimes, takeTurns } from './pairing.js';
import type { Candidate, Timing, TurnOptions } from './pairing.js';
import type { Peers } from './peers.js';
import type { PairedRatio } from './statistics.js';
import { updateCandidate } from './update.js';
import { makeAgent } from './workload.js';
import type { UpdateShape } from './workload.js';

/** Rate of a pattern or a peer, and how it compares with our dense networks of the same width. */
export interface SpeedupPoint extends PairedRatio {
  /** A pattern, "dense", or a peer's name. */
  name: string;
  width: number;
  /** Updates, or training steps, a second: median, p10 and p90 over slots. */
  perSecond: number;
  p10: number;
  p90: number;
  quiet: boolean;
}

export interface Speedup {
  env: string;
  shape: Omit<UpdateShape, 'hidden'>;
  updates: SpeedupPoint[];
  /** Acting, environment step, replay and update, one after the other. */
  trainingSteps: SpeedupPoint[];
  notes: string[];
  othersCores: number | null;
}

export interface SpeedupOptions {
  env: string;
  /** The environment's sizes replace obs and act. */
  shape: Omit<UpdateShape, 'hidden' | 'obs' | 'act'>;
  widths: readonly number[];
  /** Without "dense", which is always measured. */
  patterns: readonly string[];
  budgetSeconds: number;
  rounds?: number;
  signal?: AbortSignal | undefined;
  /** Start the peers for a shape. */
  peers?: (shape: UpdateShape) => Promise<Peers>;
  onWidth?: (width: number) => void;
}

export async function benchSpeedup(options: SpeedupOptions): Promise<Speedup> {
  const env = await makeEnv(options.env);
  const { observationSize: obs, actionSize: act } = env;
  env.close();
  const shape = { ...options.shape, obs, act };
  const result: Speedup = {
    env: options.env,
    shape,
    updates: [],
    trainingSteps: [],
    notes: [],
    othersCores: null,
  };
  const all: Timing[] = [];
  for (const width of options.widths) {
    options.onWidth?.(width);
    all.push(...(await measureWidth({ ...shape, hidden: width }, options, result)));
  }
  result.othersCores = busyElsewhere(all);
  return result;
}

/** Both measurements at one width; adds their points to `result`. */
async function measureWidth(
  shape: UpdateShape,
  options: SpeedupOptions,
  result: Speedup,
): Promise<Timing[]> {
  const { rounds = 7, widths, budgetSeconds, signal } = options;
  // Half of a width's share for updates, half for training steps.
  const turns: TurnOptions = { rounds, budgetSeconds: budgetSeconds / widths.length / 2, signal };
  const made: ReturnType<typeof makeAgent>[] = [];
  const envs: Environment[] = [];
  const peers = await options.peers?.(shape);
  try {
    for (const pattern of ['dense', ...options.patterns]) made.push(makeAgent(shape, pattern));
    for (const _ of made) envs.push(await makeEnv(options.env));
    const agents = made.map(({ agent }) => agent);
    const updates = await takeTurns(
      [...agents.map(updateCandidate), ...(peers?.candidates ?? [])],
      turns,
    );
    const steps = await takeTurns(
      agents.map((agent, i) => stepCandidate(agent, envs[i]!)),
      turns,
    );
    result.updates.push(...describe(updates, shape.hidden));
    result.trainingSteps.push(...describe(steps, shape.hidden));
    result.notes.push(...(peers?.notes ?? []).map((note) => `Width ${shape.hidden}: ${note}`));
    return [...updates, ...steps];
  } finally {
    peers?.close();
    for (const { close } of made) close();
    for (const env of envs) env.close();
  }
}

/** The training loop's step: act with exploration, step the environment, remember, update. */
function stepCandidate(agent: Td3Agent, env: Environment): Candidate {
  let observation = env.reset({ seed: 0 });
  const step = () => {
    const action = agent.act(observation, { explore: true });
    const { observation: nextObservation, reward, terminated, truncated } = env.step(action);
    agent.observe({ observation, action, reward, nextObservation, terminated, truncated });
    agent.learn();
    observation = terminated || truncated ? env.reset() : nextObservation;
  };
  return {
    name: agent.config.sparsity,
    multiple: agent.config.policyDelay,
    run: (units) => {
      for (let i = 0; i < units; i++) step();
    },
  };
}

function describe(timings: readonly Timing[], width: number): SpeedupPoint[] {
  const [dense] = timings;
  if (dense === undefined) return [];
  return timings.map((timing) => ({
    name: timing.name,
    width,
    perSecond: 1 / timing.median,
    // A long time is a low rate.
    p10: 1 / timing.p90,
    p90: 1 / timing.p10,
    ...ratioOfTimes(dense, timing),
    quiet: timing.quiet,
  }));
}
