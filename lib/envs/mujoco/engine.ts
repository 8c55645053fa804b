/**
 * One environment class for all MuJoCo tasks: it keeps the episode, checks what callers pass and
 * leaves to a small task object what differs between tasks (reset, observation, reward).
 */
import { randomInt } from 'node:crypto';
import type { MainModule } from '@mujoco/mujoco';
import { RunError, checkInteger, checkObject, invalidValue } from '../../errors.js';
import { Random } from '../../random.js';
import type { RandomState } from '../../random.js';
import type { Environment, EnvironmentState, StepResult } from '../environment.js';
import { differingOptions } from '../given-options.js';
import { resolveOptions } from '../options.js';
import type { MujocoOptions } from '../options.js';
import { decodeState, encodeState, fingerprint } from './episode-state.js';
import type { Fingerprint } from './episode-state.js';
import { checkModel } from './model-needs.js';
import type { ModelNeeds } from './model-needs.js';
import { Simulation } from './simulation.js';

/** What a task says about one step. */
export type Outcome = Pick<StepResult, 'reward' | 'terminated' | 'info'>;

/** What differs between tasks. */
export interface Task {
  /** Draw the state an episode begins in; both arrays come filled with the model's initial state. */
  drawState(random: Random, qpos: Float64Array, qvel: Float64Array): void;
  /** A new observation of the current state. */
  observe(): Float64Array;
  /** Advance the simulation by one environment step under `action` and judge it. */
  advance(action: Float32Array): Outcome;
}

/** A task as one file under `tasks/` describes it. */
export interface TaskDefinition<Options extends MujocoOptions> {
  /** Gymnasium's name, e.g. "HalfCheetah-v5". */
  readonly id: string;
  /** What every model has to have, also one that a user brings. */
  readonly needs: ModelNeeds;
  /** Every option with its default. */
  readonly defaults: Options;
  /** Bind the task to a simulation; runs once per environment. */
  create(simulation: Simulation, options: Readonly<Options>): Task;
}

/** A MuJoCo task. Make one with `makeEnv`; free it with `close()`. */
export class MujocoEnvironment<
  Options extends MujocoOptions = MujocoOptions,
> implements Environment {
  readonly id: string;
  readonly observationSize: number;
  readonly actionSize: number;
  readonly actionLow: Float32Array;
  readonly actionHigh: Float32Array;
  /** Every option as it is in force. */
  readonly options: Readonly<Options>;
  /** The options that differ from the task's defaults. */
  readonly givenOptions: Readonly<Partial<Options>>;
  /** Seconds of one environment step. */
  readonly dt: number;
  /** Steps after which an episode is truncated. */
  readonly maxEpisodeSteps: number;
  readonly #simulation: Simulation;
  readonly #task: Task;
  readonly #action: Float32Array;
  readonly #fingerprint: Fingerprint;
  #random: Random | undefined;
  #elapsedSteps = 0;
  #closed = false;

  /** @internal Use `makeEnv(id, options)`. */
  constructor(
    mujoco: MainModule,
    definition: TaskDefinition<Options>,
    options: Partial<Options> = {},
  ) {
    this.id = definition.id;
    this.options = resolveOptions(definition.id, definition.defaults, options);
    this.givenOptions = differingOptions(this.options, definition.defaults);
    this.maxEpisodeSteps = this.options.maxEpisodeSteps;
    const simulation = new Simulation(mujoco, this.options.model, (text) => {
      // As MuJoCo itself does outside of WebAssembly.
      console.error(`WARNING: ${this.id}: ${text}`);
    });
    try {
      checkModel(this.id, simulation.model, mujoco.mjtJoint, definition.needs);
      this.#simulation = simulation;
      this.#task = definition.create(simulation, this.options);
      this.dt = simulation.timestep * this.options.frameSkip;
      this.observationSize = this.#task.observe().length;
      const range = simulation.model.actuator_ctrlrange as Float64Array;
      this.actionSize = simulation.model.nu;
      this.actionLow = Float32Array.from({ length: this.actionSize }, (_, i) => range[2 * i]!);
      this.actionHigh = Float32Array.from({ length: this.actionSize }, (_, i) => range[2 * i + 1]!);
      this.#action = new Float32Array(this.actionSize);
      this.#fingerprint = fingerprint(this.id, this.options);
    } catch (error) {
      simulation.close();
      throw error;
    }
  }

  /** The physics, for those who need more of it than an observation shows. */
  get simulation(): Simulation {
    this.#checkOpen();
    return this.#simulation;
  }

  /** A copy of the generalised positions, length nq. */
  get qpos(): Float64Array {
    return this.simulation.views.qpos.slice();
  }

  /** A copy of the generalised velocities, length nv. */
  get qvel(): Float64Array {
    return this.simulation.views.qvel.slice();
  }

  /**
   * Begin an episode.
   *
   * @param options.seed integer from 0 to 2^53 - 1: start the task's random numbers anew from it;
   *   without one they go on (from a random seed at the very first reset)
   * @returns the first observation, length `observationSize`
   */
  reset(options: { seed?: number } = {}): Float64Array {
    this.#checkOpen();
    checkObject('the options of reset', options);
    if (options.seed !== undefined)
      this.#random = new Random(checkInteger('seed', options.seed, 0));
    this.#random ??= new Random(randomInt(2 ** 32));
    const simulation = this.#simulation;
    simulation.clear();
    const qpos = simulation.views.qpos.slice();
    const qvel = simulation.views.qvel.slice();
    this.#task.drawState(this.#random, qpos, qvel);
    simulation.setState(qpos, qvel);
    this.#elapsedSteps = 0;
    return this.#task.observe();
  }

  /**
   * Apply an action for one step of `dt` seconds. As in Gymnasium, the action itself is not clipped:
   * a value outside [actionLow, actionHigh] is charged in full, while the force saturates.
   *
   * @param action `actionSize` finite numbers
   */
  step(action: ArrayLike<number>): StepResult {
    this.#checkOpen();
    const { reward, terminated, info } = this.#task.advance(this.#checkAction(action));
    this.#elapsedSteps += 1;
    const truncated = this.#elapsedSteps >= this.maxEpisodeSteps;
    return { observation: this.#task.observe(), reward, terminated, truncated, info };
  }

  /**
   * Put the simulation into a state. The episode's step count stays.
   *
   * @param qpos generalised positions, length nq
   * @param qvel generalised velocities, length nv
   * @param qaccWarmstart where the constraint solver starts searching, length nv; only needed to
   *   repeat a recorded step to the last digits
   * @returns the observation of that state
   */
  setState(
    qpos: ArrayLike<number>,
    qvel: ArrayLike<number>,
    qaccWarmstart?: ArrayLike<number>,
  ): Float64Array {
    this.#checkOpen();
    const { model } = this.#simulation;
    checkVector('qpos', qpos, model.nq);
    checkVector('qvel', qvel, model.nv);
    if (qaccWarmstart !== undefined) checkVector('qaccWarmstart', qaccWarmstart, model.nv);
    this.#simulation.setState(qpos, qvel);
    if (qaccWarmstart !== undefined) this.#simulation.views.qaccWarmstart.set(qaccWarmstart);
    return this.#task.observe();
  }

  /**
   * All that is needed to go on from here, to the bit: physics, derived values that lag it, steps of
   * the episode, random numbers.
   *
   * @returns plain data for JSON; undefined where the physics cannot go on (a number that is not
   *   finite) or cannot be had (a model whose bodies may sleep)
   */
  state(): EnvironmentState | undefined {
    this.#checkOpen();
    const simulation = this.#simulation.state();
    if (simulation === undefined) return undefined;
    return encodeState({
      ...this.#fingerprint,
      // A step after the limit is truncated like the one that reached it.
      elapsedSteps: Math.min(this.#elapsedSteps, this.maxEpisodeSteps),
      random: this.#random?.state() ?? null,
      ...simulation,
    });
  }

  /**
   * Go on from what `state()` returned in an environment of the same task and options.
   *
   * @throws InvalidValueError for a state of another task, model or options, or a damaged one;
   *   nothing has changed then
   */
  restore(state: EnvironmentState): void {
    this.#checkOpen();
    const { maxEpisodeSteps } = this;
    const sizes = this.#simulation.stateSizes;
    const decoded = decodeState(state, { ...this.#fingerprint, ...sizes, maxEpisodeSteps });
    const random = decoded.random === null ? undefined : Random.fromState(decoded.random);
    this.#simulation.restore(decoded);
    this.#random = random;
    this.#elapsedSteps = decoded.elapsedSteps;
  }

  /** State of the random numbers behind `reset`, for a checkpoint; undefined before the first. */
  get randomState(): RandomState | undefined {
    return this.#random?.state();
  }

  set randomState(state: RandomState | undefined) {
    this.#random = state === undefined ? undefined : Random.fromState(state);
  }

  /** Free the simulation. Every further call but `close()` throws. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#simulation.close();
  }

  #checkOpen(): void {
    if (!this.#closed) return;
    throw new RunError(`${this.id} was closed and cannot be used. Make a new one with makeEnv().`);
  }

  /** The action in single precision, which Gymnasium's action spaces have. */
  #checkAction(action: ArrayLike<number>): Float32Array {
    const checked = this.#action;
    if (action?.length !== checked.length) throw wrongVector('action', action, checked.length);
    checked.set(action);
    for (let i = 0; i < checked.length; i++) {
      if (!Number.isFinite(checked[i])) {
        throw invalidValue(`action[${i}]`, 'a finite number', action[i]);
      }
    }
    return checked;
  }
}

function checkVector(name: string, values: ArrayLike<number>, length: number): void {
  if (values?.length !== length) throw wrongVector(name, values, length);
  for (let i = 0; i < length; i++) {
    if (!Number.isFinite(values[i])) {
      throw invalidValue(`${name}[${i}]`, 'a finite number', values[i]);
    }
  }
}

function wrongVector(name: string, values: unknown, length: number): Error {
  return invalidValue(name, `an array of ${length} numbers`, values);
}
