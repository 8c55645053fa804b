/** How transitions come about: step by step, or in environments that step while the agent learns. */
import { setTimeout } from 'node:timers/promises';
import type { Environment, StepResult } from '../envs/environment.js';
import type { OverlappedEnvironment } from '../envs/worker-environment.js';
import { RunError, invalidValue } from '../errors.js';
import type { EpisodeLog } from './episodes.js';
import type { Episode } from './episodes.js';
import type { LaneState } from './run-state.js';
import type { TrainableAgent } from './trainable.js';

/** One environment with its running episode. */
interface Lane<E extends Environment> {
  /** Its place among them. */
  source: number;
  env: E;
  episode: Episode;
  observation: Float64Array;
}

/** What the training loop needs of it. */
export interface Rollout {
  /** Begin the first episodes. */
  start(seed: number, nextSeed: () => number): Promise<void>;
  /** Gather at most `limit` transitions, with one update for each once the agent is ready. */
  advance(limit: number): Promise<void> | undefined;
  /** An environment served elsewhere: if it is one of these, its episode is dropped and begun anew. */
  restart(env: Environment, nextSeed: () => number): Promise<void>;
  /** Where the episodes are, between two calls of `advance`. */
  state(): LaneState[];
  /**
   * Go on with episodes where they were; a task that cannot begins a new one.
   *
   * @returns which environments did, by their place
   * @throws InvalidValueError when there were more or fewer of them
   */
  restore(states: readonly LaneState[], nextSeed: () => number): Promise<number[]>;
}

abstract class Lanes<E extends Environment> implements Rollout {
  protected readonly lanes: Lane<E>[];

  constructor(
    protected readonly agent: TrainableAgent,
    envs: readonly E[],
    episodes: EpisodeLog,
  ) {
    this.lanes = envs.map((env, source) => {
      return { source, env, episode: episodes.begin(), observation: new Float64Array(0) };
    });
  }

  async start(seed: number, nextSeed: () => number): Promise<void> {
    // An agent that has been trained before may be in the middle of episodes.
    this.agent.cutEpisode?.();
    for (const [i, lane] of this.lanes.entries()) {
      await this.reset(lane, { seed: i === 0 ? seed : nextSeed() });
    }
  }

  async restart(env: Environment, nextSeed: () => number): Promise<void> {
    const lane = this.lanes.find((each) => each.env === env);
    if (lane !== undefined) await this.#beginAnew(lane, nextSeed());
  }

  state(): LaneState[] {
    return this.lanes.map(({ env, episode, observation }) => {
      return { observation, ...episode.progress, environment: env.state?.() };
    });
  }

  async restore(states: readonly LaneState[], nextSeed: () => number): Promise<number[]> {
    if (states.length !== this.lanes.length) {
      const expected = `${states.length} environments, as in the run to go on with,`;
      throw invalidValue('overlapped (envs)', expected, this.lanes.length);
    }
    const begunAnew = this.lanes.filter((lane, i) => !restoreLane(lane, states[i]));
    for (const lane of begunAnew) await this.#beginAnew(lane, nextSeed());
    return begunAnew.map(({ source }) => source);
  }

  async #beginAnew(lane: Lane<E>, seed: number): Promise<void> {
    lane.episode.drop();
    this.agent.cutEpisode?.(lane.source);
    await this.reset(lane, { seed });
  }

  abstract advance(limit: number): Promise<void> | undefined;

  /** Begin an episode. */
  protected abstract reset(lane: Lane<E>, options?: { seed?: number }): Promise<void> | undefined;

  /**
   * The agent remembers what a step brought, and the lane goes on from there.
   *
   * @returns whether that was the end of an episode
   */
  protected take(lane: Lane<E>, action: Float32Array, result: StepResult): boolean {
    const { reward, terminated, truncated } = result;
    // A task may fill the same array at every step.
    const nextObservation = copyOf(result.observation);
    const { observation, source } = lane;
    const step = { observation, action, reward, nextObservation, terminated, truncated };
    this.agent.observe({ ...step, source });
    lane.episode.add(reward);
    lane.observation = nextObservation;
    const isOver = terminated || truncated;
    if (isOver) lane.episode.end();
    return isOver;
  }
}

function copyOf(values: ArrayLike<number>): Float64Array {
  return Float64Array.from(values);
}

/** False where the task did not tell its state, or takes none. */
function restoreLane(lane: Lane<Environment>, state: LaneState | undefined): boolean {
  if (state?.environment === undefined || lane.env.restore === undefined) return false;
  lane.env.restore(state.environment);
  lane.episode.progress = state;
  lane.observation = state.observation;
  return true;
}

/** Act, step, remember, learn: the order of the algorithm. */
export class SerialRollout extends Lanes<Environment> {
  advance(): undefined {
    const [lane] = this.lanes;
    if (lane === undefined) return;
    const action = this.agent.act(lane.observation, { explore: true });
    // A task may change the array that it is given.
    if (this.take(lane, action, lane.env.step(action.slice()))) this.reset(lane);
    if (this.agent.ready) this.agent.learn();
  }

  protected reset(lane: Lane<Environment>, options?: { seed?: number }): undefined {
    lane.observation = copyOf(lane.env.reset(options));
  }
}

/**
 * All environments step while the agent makes as many updates: an update does not see the
 * transitions that are under way, so that every action comes from a policy one round earlier.
 */
export class OverlappedRollout extends Lanes<OverlappedEnvironment> {
  readonly #signal: AbortSignal | undefined;

  /** @param signal ends a wait for an environment that takes its time */
  constructor(
    agent: TrainableAgent,
    envs: readonly OverlappedEnvironment[],
    episodes: EpisodeLog,
    signal?: AbortSignal,
  ) {
    super(agent, envs, episodes);
    this.#signal = signal;
  }

  async advance(limit: number): Promise<void> {
    const lanes = this.lanes.slice(0, limit);
    const actions = lanes.map(({ env, observation }) => {
      const action = this.agent.act(observation, { explore: true });
      env.begin(action.slice());
      return action;
    });
    for (let i = 0; i < lanes.length && this.agent.ready; i++) this.agent.learn();
    for (const [i, lane] of lanes.entries()) {
      const settled = lane.env.settled?.();
      if (settled !== undefined) await this.#waitFor(lane.env, settled);
      const isOver = this.take(lane, actions[i] ?? new Float32Array(0), lane.env.finish());
      if (isOver) await this.reset(lane);
    }
  }

  protected async reset(
    lane: Lane<OverlappedEnvironment>,
    options: { seed?: number } = {},
  ): Promise<void> {
    const { env } = lane;
    if (env.beginReset === undefined || env.finishReset === undefined) {
      lane.observation = copyOf(env.reset(options));
      return;
    }
    env.beginReset(options);
    const settled = env.settled?.();
    if (settled !== undefined) await this.#waitFor(env, settled);
    lane.observation = copyOf(env.finishReset());
  }

  /** Wait for an environment; once the signal is there, no longer than `lastWait`. */
  async #waitFor({ id }: OverlappedEnvironment, settled: Promise<void>): Promise<void> {
    const over = new AbortController();
    const hasSettled = settled.then(() => true);
    try {
      if (await Promise.race([hasSettled, aborted(this.#signal, over.signal)])) return;
      const timeIsUp = setTimeout(lastWait, false, { signal: over.signal });
      if (await Promise.race([hasSettled, timeIsUp])) return;
    } finally {
      over.abort();
    }
    throw new RunError(
      `${id} was still busy in its worker thread ${lastWait / 1000} s after it was to stop`,
    );
  }
}

/** Milliseconds that a step under way has when the run is to stop. */
const lastWait = 1000;

/** Resolves to false when `signal` comes; until `over` it is listened to. */
function aborted(signal: AbortSignal | undefined, over: AbortSignal): Promise<false> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) resolve(false);
    else signal?.addEventListener('abort', () => resolve(false), { once: true, signal: over });
  });
}
