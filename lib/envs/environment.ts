/**
 * What a reinforcement-learning task looks like to the agent and to the training loop.
 *
 * The terms follow Gymnasium: an episode is `terminated` by the task itself (no reward follows),
 * or `truncated` by a limit outside it (it would have gone on, so values are still bootstrapped).
 */

/** What one step returns. */
export interface StepResult {
  /** Observation after the step, length `observationSize`. Owned by the caller. */
  observation: Float64Array;
  /** Reward of this step. */
  reward: number;
  /** The task ended by its own rules: the value of the next state is zero. */
  terminated: boolean;
  /** The episode was cut off (time limit): the value of the next state is still estimated. */
  truncated: boolean;
  /** The terms the reward is made of, and what else the task reports. */
  info: Readonly<Record<string, number>>;
}

/** Plain data that survives JSON: all that a task needs to go on from the middle of an episode. */
export type EnvironmentState = Readonly<Record<string, unknown>>;

/** A task. Implement this interface to train on a task of your own. */
export interface Environment {
  /** Name for logs and run folders, e.g. "HalfCheetah-v5". */
  readonly id: string;
  /** Length of an observation. */
  readonly observationSize: number;
  /** Length of an action. */
  readonly actionSize: number;
  /** Least value of each action component, length `actionSize`. */
  readonly actionLow: Float32Array;
  /** Greatest value of each action component, length `actionSize`. */
  readonly actionHigh: Float32Array;
  /**
   * Options that make the same environment again, by default those that `makeEnv` was given: a run
   * writes them down, and is evaluated with them. Plain data.
   */
  readonly givenOptions?: Readonly<Record<string, unknown>> | undefined;
  /** Begin an episode. With a seed, start the task's random numbers anew from it. */
  reset(options?: { seed?: number }): Float64Array;
  /** Apply an action of length `actionSize` for one step. */
  step(action: ArrayLike<number>): StepResult;
  /** All that is needed to go on from here; undefined where it cannot be had. */
  state?(): EnvironmentState | undefined;
  /**
   * Go on from what `state()` of an environment with the same options returned.
   *
   * @throws InvalidValueError when it does not fit; nothing has changed then
   */
  restore?(state: EnvironmentState): void;
  /** Free what the task holds. Further calls throw. */
  close(): void;
}
