import type { Environment, EnvironmentState, StepResult } from '../../lib/envs/environment.js';
import { Random } from '../../lib/random.js';
import type { RandomState } from '../../lib/random.js';

/** Faults that a task may have, from the given step (counted over all episodes) on. */
export interface PointOptions {
  nanObservationAt?: number;
  nanRewardAt?: number;
  throwAt?: number;
  /** It cannot tell its state. */
  noState?: boolean;
}

/**
 * A point on a line that is to be kept near 0 by pushing it: small enough for tests of the loop,
 * and with everything a task may have: seeds, terminations, truncations, an uneven action range.
 */
export class PointEnvironment implements Environment {
  readonly id = 'Point-v0';
  readonly observationSize = 2;
  readonly actionSize = 1;
  readonly actionLow = Float32Array.of(-2);
  readonly actionHigh = Float32Array.of(1);
  /** Steps over all episodes. */
  steps = 0;
  /** Seeds that episodes were started with. */
  readonly seeds: number[] = [];
  #random = new Random(0);
  #position = 0;
  #velocity = 0;
  #age = 0;
  readonly #faults: PointOptions;

  constructor(faults: PointOptions = {}) {
    this.#faults = faults;
  }

  reset(options: { seed?: number } = {}): Float64Array {
    if (options.seed !== undefined) {
      this.#random = new Random(options.seed);
      this.seeds.push(options.seed);
    }
    this.#position = this.#random.uniform(-1, 1);
    this.#velocity = 0;
    this.#age = 0;
    return this.#observe();
  }

  step(action: ArrayLike<number>): StepResult {
    this.steps += 1;
    this.#age += 1;
    if (this.#reached(this.#faults.throwAt)) throw new Error('the motor has stopped');
    this.#velocity = 0.9 * this.#velocity + 0.1 * (action[0] ?? NaN);
    this.#position += this.#velocity;
    const observation = this.#observe();
    if (this.#reached(this.#faults.nanObservationAt)) observation[1] = NaN;
    const reward = this.#reached(this.#faults.nanRewardAt) ? NaN : 1 - this.#position ** 2;
    const terminated = Math.abs(this.#position) > 2;
    return { observation, reward, terminated, truncated: this.#age === 20, info: {} };
  }

  state(): EnvironmentState | undefined {
    if (this.#faults.noState === true) return undefined;
    const { steps } = this;
    const [position, velocity, age] = [this.#position, this.#velocity, this.#age];
    return { position, velocity, age, steps, random: this.#random.state() };
  }

  restore(state: EnvironmentState): void {
    this.#position = Number(state['position']);
    this.#velocity = Number(state['velocity']);
    this.#age = Number(state['age']);
    this.steps = Number(state['steps']);
    this.#random = Random.fromState(state['random'] as RandomState);
  }

  close(): void {}

  #reached(step: number | undefined): boolean {
    return step !== undefined && this.steps >= step;
  }

  #observe(): Float64Array {
    return Float64Array.of(this.#position, this.#velocity);
  }
}
