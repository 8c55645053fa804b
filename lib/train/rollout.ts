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
  start(seed: number, nextSeed: () => number): void;
  /**
   * Gather at most `limit` transitions, with one update for each once the agent is ready. A promise where a task
   * keeps it waiting, so that signals can end the wait.
   */
  advance(limit: number, signal?: AbortSignal): void | Promise<void>;
  /** An environment served elsewhere: if it is one of these, its episode is dropped and begun anew. */
  restart(env: Environment, nextSeed: () => number): void;
  /** Where the episodes are, between two calls of `advance`. */
  state(): LaneState[];
  /**
   * Go on with episodes where they were; a task that cannot begins a new one.
   *
   * @returns which environments did, by their place
   * @throws InvalidValueError when there were more or fewer of them
   */
  restore(states: readonly LaneState[], nextSeed: () => number): number[];
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

  start(seed: number, nextSeed: () => number): void {
    // An agent that has been trained before may be in the middle of episodes.
    this.agent.cutEpisode?.();
    this.lanes.forEach((lane, i) => {
      lane.observation = copyOf(lane.env.reset({ seed: i === 0 ? seed : nextSeed() }));
    });
  }

  restart(env: Environment, nextSeed: () => number): void {
    const lane = this.lanes.find((each) => each.env === env);
    if (lane !== undefined) this.#beginAnew(lane, nextSeed());
  }

  state(): LaneState[] {
    return this.lanes.map(({ env, episode, observation }) => {
      return { observation, ...episode.progress, environment: env.state?.() };
    });
  }

  restore(states: readonly LaneState[], nextSeed: () => number): number[] {
    if (states.length !== this.lanes.length) {
      const expected = `${states.length} environments, as in the run to go on with,`;
      throw invalidValue('overlapped (envs)', expected, this.lanes.length);
    }
    const begunAnew = this.lanes.filter((lane, i) => !restoreLane(lane, states[i]));
    for (const lane of begunAnew) this.#beginAnew(lane, nextSeed());
    return begunAnew.map(({ source }) => source);
  }

  #beginAnew(lane: Lane<E>, seed: number): void {
    lane.episode.drop();
    this.agent.cutEpisode?.(lane.source);
    lane.observation = copyOf(lane.env.reset({ seed }));
  }

  abstract advance(limit: number, signal?: AbortSignal): void | Promise<void>;

  /** The agent remembers what a step brought, and the lane goes on from there. */
  protected take(lane: Lane<E>, action: Float32Array, result: StepResult): void {
    const { reward, terminated, truncated } = result;
    // A task may fill the same array at every step.
    const nextObservation = copyOf(result.observation);
    const { observation, source } = lane;
    const step = { observation, action, reward, nextObservation, terminated, truncated };
    this.agent.observe({ ...step, source });
    lane.episode.add(reward);
    lane.observation = nextObservation;
    if (terminated || truncated) {
      lane.episode.end();
      lane.observation = copyOf(lane.env.reset());
    }
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

/** Milliseconds that a step may take before signals get their turn. */
const shortWait = 500;
/** And those until it has failed, which `finish` says. */
const longWait = 60_000;

function isDone(env: OverlappedEnvironment, milliseconds: number): boolean {
  return env.isDone?.(milliseconds) ?? true;
}

/** @throws RunError when the signal ends the wait: what is under way is lost then */
async function waitFor(
  lanes: readonly Lane<OverlappedEnvironment>[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const deadline = performance.now() + longWait;
  for (const { env } of lanes) {
    while (!isDone(env, 0) && performance.now() < deadline) {
      if (signal?.aborted === true) {
        throw new RunError(
          `A step of ${env.id} was under way that does not end, so that it was given up`,
        );
      }
      await setTimeout(20);
    }
  }
}

/** Act, step, remember, learn: the order of the algorithm. */
export class SerialRollout extends Lanes<Environment> {
  advance(): void {
    const [lane] = this.lanes;
    if (lane === undefined) return;
    const action = this.agent.act(lane.observation, { explore: true });
    // A task may change the array that it is given.
    this.take(lane, action, lane.env.step(action.slice()));
    if (this.agent.ready) this.agent.learn();
  }
}

/**
 * All environments step while the agent makes as many updates: an update does not see the
 * transitions that are under way, so that every action comes from a policy one round earlier.
 */
export class OverlappedRollout extends Lanes<OverlappedEnvironment> {
  advance(limit: number, signal?: AbortSignal): void | Promise<void> {
    const lanes = this.lanes.slice(0, limit);
    const actions = lanes.map(({ env, observation }) => {
      const action = this.agent.act(observation, { explore: true });
      env.begin(action.slice());
      return action;
    });
    for (let i = 0; i < lanes.length && this.agent.ready; i++) this.agent.learn();
    const takeAll = (): void => {
      lanes.forEach((lane, i) => {
        this.take(lane, actions[i] ?? new Float32Array(0), lane.env.finish());
      });
    };
    if (lanes.every(({ env }) => isDone(env, shortWait))) return takeAll();
    return waitFor(lanes, signal).then(takeAll);
  }
}
