/**
 * Options of the built-in tasks: every task lists its defaults, and what a caller passes is checked
 * against them, name by name and type by type.
 */
import { InvalidValueError, checkInteger, checkNumber, invalidValue } from '../errors.js';
import { readNumber } from '../json.js';
import { findNearest } from '../nearest.js';

/** Lower and upper end; either may be infinite. */
export type Range = readonly [low: number, high: number];

/** Where a viewer that draws the task looks from; the physics does not depend on it. */
export type CameraConfig = Readonly<Record<string, number | readonly number[]>>;

/** The options that all MuJoCo tasks share. */
export interface MujocoOptions {
  /** The model as MJCF text (Gymnasium's `xml_file`). */
  model: string;
  /** Physics steps per environment step, at most 1000. */
  frameSkip: number;
  /** Steps after which an episode is truncated. */
  maxEpisodeSteps: number;
  /** Kept for viewers; null for MuJoCo's own default. */
  defaultCameraConfig: CameraConfig | null;
}

/**
 * Fill in the defaults and check the rest.
 *
 * @param id the task's name, for messages
 * @param defaults every option with its default
 * @param options what the caller passed; `undefined` values mean the default
 * @throws InvalidValueError for an unknown name (it lists the known ones) or a wrong value
 */
export function resolveOptions<Options extends MujocoOptions>(
  id: string,
  defaults: Options,
  options: Partial<Options>,
): Readonly<Options> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidValue(`the options of ${id}`, 'an object', options);
  }
  const resolved: Partial<Record<string, unknown>> = Object.assign({}, defaults);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(defaults, name)) throw unknownOption(id, name, Object.keys(defaults));
    resolved[name] = checkOption(name, defaults[name as keyof Options], value);
  }
  return Object.freeze(resolved) as Readonly<Options>;
}

function unknownOption(id: string, name: string, known: readonly string[]): Error {
  const nearest = findNearest(name, known);
  const question = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
  return new InvalidValueError(
    `Unknown option ${name} of ${id}.${question} Known are ${known.join(', ')}`,
  );
}

function checkOption(name: string, standard: unknown, value: unknown): unknown {
  if (name === 'frameSkip') return checkFrameSkip(name, value);
  if (name === 'maxEpisodeSteps') return checkInteger(name, value);
  if (name === 'defaultCameraConfig') return checkCameraConfig(name, value);
  if (name === 'mainBody') return checkBody(name, value);
  if (Array.isArray(standard)) return checkRange(name, value);
  if (typeof standard === 'number') {
    return checkNumber(name, value, name === 'resetNoiseScale' ? 0 : -Infinity);
  }
  if (typeof value === typeof standard) return value;
  throw invalidValue(name, typeof standard === 'boolean' ? 'true or false' : 'a string', value);
}

/** Nothing can interrupt a step: it must not take minutes. */
function checkFrameSkip(name: string, value: unknown): number {
  const count = checkInteger(name, value);
  if (count <= 1000) return count;
  throw invalidValue(name, 'at most 1000 physics steps per environment step', value);
}

function checkRange(name: string, value: unknown): Range {
  if (Array.isArray(value) && value.length === 2) {
    const [low, high] = value.map(readNumber);
    if (typeof low === 'number' && typeof high === 'number' && low <= high) return [low, high];
  }
  throw invalidValue(name, 'two numbers [low, high] with low <= high', value);
}

function checkBody(name: string, value: unknown): string | number {
  return typeof value === 'string' ? value : checkInteger(name, value, 0);
}

function checkCameraConfig(name: string, value: unknown): CameraConfig | null {
  if (typeof value === 'object' && !Array.isArray(value)) return value as CameraConfig | null;
  throw invalidValue(name, 'an object or null', value);
}
