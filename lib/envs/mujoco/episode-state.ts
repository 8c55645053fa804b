/** A MuJoCo task in the middle of an episode, as plain data for a checkpoint. */
import { createHash } from 'node:crypto';
import { checkInteger, checkObject, invalidValue } from '../../errors.js';
import { stringifyJson } from '../../json.js';
import { checkRandomState } from '../../random.js';
import type { RandomState } from '../../random.js';
import type { EnvironmentState } from '../environment.js';
import type { MujocoOptions } from '../options.js';
import { decodeNumbers, encodeNumbers } from '../state-numbers.js';
import type { SimulationState } from './simulation.js';

/** What a state is of: it fits no environment in which one of these differs. */
export interface Fingerprint {
  /** Name of the task. */
  readonly id: string;
  /** Hash of the model's text. */
  readonly model: string;
  /** Hash of all other options. */
  readonly options: string;
}

/** The state of an environment. */
interface EpisodeState extends SimulationState, Fingerprint {
  /** Steps of the episode so far. */
  elapsedSteps: number;
  /** The random numbers behind `reset`; null before the first one. */
  random: RandomState | null;
}

/** The fingerprint of an environment with these options; where a viewer looks from does not matter. */
export function fingerprint(id: string, options: MujocoOptions): Fingerprint {
  const { model, defaultCameraConfig: _, ...others } = options;
  return { id, model: hash(model), options: hash(stringifyJson(others)) };
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** As plain data; undefined where a number is not finite, since nothing goes on from there. */
export function encodeState(state: EpisodeState): EnvironmentState | undefined {
  const { physics, lagging } = state;
  if (![physics, lagging].every((values) => values.every(Number.isFinite))) return undefined;
  return { ...state, physics: encodeNumbers(physics), lagging: encodeNumbers(lagging) };
}

/** What the environment that is to take a state expects of it. */
interface Expected extends Fingerprint {
  /** How many numbers the parts have. */
  physics: number;
  lagging: number;
  maxEpisodeSteps: number;
}

/**
 * Read what `encodeState` returned.
 *
 * @throws InvalidValueError when it is of something else, or damaged
 */
export function decodeState(state: EnvironmentState, expected: Expected): EpisodeState {
  checkObject('state', state);
  checkFingerprint(state, expected);
  const { elapsedSteps, random, physics, lagging } = state;
  if (random !== null) checkRandomState('state.random', random);
  return {
    id: expected.id,
    model: expected.model,
    options: expected.options,
    elapsedSteps: checkInteger('state.elapsedSteps', elapsedSteps, 0, expected.maxEpisodeSteps),
    random: random as RandomState | null,
    physics: decodeNumbers('state.physics', physics, expected.physics),
    lagging: decodeNumbers('state.lagging', lagging, expected.lagging),
  };
}

function checkFingerprint(state: EnvironmentState, { id, model, options }: Expected): void {
  if (state['id'] !== id) throw invalidValue('state.id', `"${id}", the task's,`, state['id']);
  const remedy = `Make the environment with the options that it had when state() was called`;
  if (state['model'] !== model) {
    throw invalidValue('state.model', "the hash of the task's model", state['model'], remedy);
  }
  if (state['options'] !== options) {
    throw invalidValue('state.options', "the hash of the task's options", state['options'], remedy);
  }
}
