/**
 * The recorded trajectories and model fingerprints in `test/fixtures/envs` (see the README there).
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { MujocoEnvironment, StepResult, TaskId } from '../../lib/envs/index.js';
import { makeEnv } from '../../lib/envs/index.js';

/** An episode as Gymnasium played it; one entry per step. */
export interface Recording {
  reset: { qpos: number[]; qvel: number[]; observation: number[] };
  action: number[][];
  observation: number[][];
  reward: number[];
  terminated: boolean[];
  info: Record<string, number[]>;
  qpos: number[][];
  qvel: number[][];
  qacc_warmstart: number[][];
}

/** A value of the fingerprint; infinities are written as strings. */
type Entry = number | boolean | string | null | Entry[] | { [key: string]: Entry };

/** What Gymnasium and its compiled model say about a task. */
export interface Specification {
  observation_dim: number;
  action_dim: number;
  action_low: number[];
  action_high: number[];
  dt: number;
  max_episode_steps: number;
  defaults: Record<string, Entry>;
  model: Record<string, Entry> & {
    opt: Record<string, Entry>;
    names: Record<string, string[]>;
  };
}

function readFixture(name: string): unknown {
  const file = new URL(`../fixtures/envs/${name}.json.gz`, import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(file)).toString());
}

/** Every task's specification. */
export const specifications = (
  readFixture('spec') as { envs: Readonly<Record<TaskId, Specification>> }
).envs;

/** Names of the recorded tasks. */
export const taskIds = Object.keys(specifications) as TaskId[];

/** The recorded episode of a task. */
export function readRecording(id: TaskId): Recording {
  return readFixture(id) as Recording;
}

/** The numbers of a nested value in order; booleans count as 0 and 1. */
export function numbersOf(entry: unknown): number[] {
  if (Array.isArray(entry)) return entry.flatMap(numbersOf);
  if (ArrayBuffer.isView(entry)) return Array.from(entry as unknown as ArrayLike<number>);
  if (typeof entry === 'object' && entry !== null && 'value' in entry) return [Number(entry.value)];
  return [Number(entry)];
}

/**
 * The greatest |actual - expected| / max(1, |expected|) of two lists; infinite when they differ in
 * length or hold what is no number.
 */
export function worstError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i] as number;
    const e = expected[i] as number;
    if (a === e) continue;
    const error = Math.abs(a - e) / Math.max(1, Math.abs(e));
    if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
  }
  return worst;
}

/** How far a step and the state after it are from step `k` of a recording, term by term. */
export function stepErrors(
  env: MujocoEnvironment,
  result: StepResult,
  recording: Recording,
  k: number,
): Record<string, number> {
  const errors: Record<string, number> = {
    observation: worstError(result.observation, recording.observation[k]!),
    reward: worstError([result.reward], [recording.reward[k]!]),
    qpos: worstError(env.qpos, recording.qpos[k]!),
    qvel: worstError(env.qvel, recording.qvel[k]!),
  };
  for (const [term, values] of Object.entries(recording.info)) {
    errors[`info.${term}`] = worstError([result.info[term] ?? NaN], [values[k]!]);
  }
  return errors;
}

/** A task with default options, of the type its options do not matter to. */
export async function makeTask(id: TaskId): Promise<MujocoEnvironment> {
  return (await makeEnv(id)) as unknown as MujocoEnvironment;
}
