/**
 * Returns of n steps: the rewards of n steps in a row, discounted and summed, and then the value of
 * where they led to (Sutton and Barto 2018, "Reinforcement Learning", chapter 7). They are not
 * corrected for the policy having changed since, as in D4PG (Barth-Maron et al. 2018) and Rainbow
 * (Hessel et al. 2018).
 */
import type { ReplayTransition } from '../device/index.js';
import { checkFloat32 } from '../errors.js';

/** A window is gone through at every step: far more steps than that would slow training down. */
export const mostSteps = 1000;

/** One step of an environment's episode. */
export interface EnvironmentStep {
  /** Before the step, length `observationSize`. */
  observation: ArrayLike<number>;
  /** Length `actionSize`, in the units of the environment. */
  action: ArrayLike<number>;
  reward: number;
  /** After the step, length `observationSize`. */
  nextObservation: ArrayLike<number>;
  /** The task ended: nothing is bootstrapped from `nextObservation`. */
  terminated: boolean;
  /** The episode was cut off: values are still bootstrapped. Default: false. */
  truncated?: boolean;
}

/** What is kept of a step until its return is complete. */
export type PendingStep = Pick<EnvironmentStep, 'observation' | 'action' | 'reward'>;

/** The latest steps of an environment's running episode. */
export interface StepWindow {
  /** From 1 to n - 1 of them, oldest first. */
  steps: readonly PendingStep[];
  /** After the newest of them. */
  nextObservation: ArrayLike<number>;
}

/** Makes transitions of n steps from those of one, of several environments at the same time. */
export class NStepReturns {
  readonly #windows = new Map<number, StepWindow>();

  /**
   * @param nSteps from 1 to `mostSteps`
   * @param gamma discount of one step, from 0 to 1
   */
  constructor(
    readonly nSteps: number,
    readonly gamma: number,
  ) {}

  /** Steps, of all environments, whose returns are not complete. */
  get pending(): number {
    return [...this.#windows.values()].reduce((sum, { steps }) => sum + steps.length, 0);
  }

  /**
   * Take the next step of an environment's episode.
   *
   * @param source which environment it is of
   * @returns the transitions that it completes, oldest first: that of the step n - 1 steps before it,
   *   or of all that were pending where the episode ends. They are to be used before the step's arrays
   *   change
   * @throws InvalidValueError for a sum of rewards that float32 cannot hold; nothing is taken then
   */
  add(source: number, step: EnvironmentStep): ReplayTransition[] {
    const { nextObservation, terminated, truncated = false } = step;
    const before = this.#windows.get(source)?.steps ?? [];
    const window = { steps: [...before, step], nextObservation };
    // All of them, so that those that stay pending can be handed on whenever the episode is cut.
    const transitions = transitionsOf(window, this.gamma, terminated);
    if (terminated || truncated) {
      this.#windows.delete(source);
      return transitions;
    }
    const isFull = window.steps.length === this.nSteps;
    this.#keep(source, isFull ? { ...window, steps: window.steps.slice(1) } : window);
    return isFull ? transitions.slice(0, 1) : [];
  }

  /**
   * The running episode of an environment, or of all of them, is not gone on with.
   *
   * @returns the transitions of all steps that were pending, as where an episode is truncated
   */
  cut(source?: number): ReplayTransition[] {
    const sources = source === undefined ? this.#sources() : [source];
    return sources.flatMap((each) => {
      const window = this.#windows.get(each);
      this.#windows.delete(each);
      return window === undefined ? [] : transitionsOf(window, this.gamma, false);
    });
  }

  /** What is pending, by the environment it is of, for a state. */
  windows(): [source: number, window: StepWindow][] {
    return this.#sources().map((source) => [source, this.#windows.get(source) as StepWindow]);
  }

  /** Have these pending, as `windows` returned them, and nothing else. */
  restore(windows: readonly [source: number, window: StepWindow][]): void {
    this.#windows.clear();
    for (const [source, window] of windows) this.#windows.set(source, window);
  }

  /** Remember a window, of which the newest step lies in arrays of the caller. */
  #keep(source: number, { steps, nextObservation }: StepWindow): void {
    const newest = steps.at(-1);
    if (newest === undefined) return;
    const copy = {
      observation: new Float32Array(newest.observation),
      action: new Float32Array(newest.action),
      reward: newest.reward,
    };
    this.#windows.set(source, {
      steps: [...steps.slice(0, -1), copy],
      nextObservation: new Float32Array(nextObservation),
    });
  }

  /** In an order that does not depend on when their episodes began. */
  #sources(): number[] {
    return [...this.#windows.keys()].sort((a, b) => a - b);
  }
}

/**
 * The transitions from each step of a window to its end: the return of step i is
 * R_i = r_i + gamma R_(i+1), and the discount of the value there is gamma to the number of its steps,
 * or 0 after a termination. Sums are of float64.
 *
 * @throws InvalidValueError for a return that float32 cannot hold
 */
export function transitionsOf(
  { steps, nextObservation }: StepWindow,
  gamma: number,
  terminated: boolean,
): ReplayTransition[] {
  let [reward, discount] = [0, terminated ? 0 : 1];
  const newestFirst = steps.toReversed().map((step) => {
    reward = checkFloat32('the return of nSteps steps', step.reward + gamma * reward);
    discount *= gamma;
    const { observation, action } = step;
    return { observation, action, reward, nextObservation, discount };
  });
  return newestFirst.toReversed();
}
