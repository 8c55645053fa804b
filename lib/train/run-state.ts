/**
 * What a run needs, beside its agent, to go on as if it had never stopped. It is part of every checkpoint of a
 * run: `encodeRunState` is the one that writes it, `decodeRunState` the one that reads it.
 */
import { z } from 'zod';
import type { EnvironmentState } from '../envs/environment.js';
import { RunError } from '../errors.js';
import type { RandomState } from '../random.js';
import type { SafeTensor } from './formats/safetensors.js';
import type { EvaluationRecord } from './train-options.js';

/** An environment in the middle of an episode. */
export interface LaneState {
  /** What the agent acts on next. */
  observation: Float64Array;
  /** Return and steps of the episode so far. */
  total: number;
  length: number;
  /** Undefined for a task that cannot tell its state. */
  environment?: EnvironmentState | undefined;
}

/** Lengths in bytes of files that grow: what is behind them is of steps that are done again. */
export interface MetricPositions {
  /** Of metrics.jsonl. */
  lines: number;
  /** Of TensorBoard's event files, by name. */
  events: Record<string, number>;
}

/** All of it. */
export interface RunState {
  /** What the agent had done before the run. */
  stepsBefore: number;
  updatesBefore: number;
  /** Training is past its warm-up. */
  learning: boolean;
  /** Step of the latest record of metrics; -1 before the first. */
  loggedStep: number;
  /** The evaluation of this step is still to come. */
  evaluationDue: boolean;
  /** Seconds since the run began, without the time between a stop and a resumption; of them evaluations. */
  seconds: { wall: number; evaluation: number };
  episodes: { count: number; lastLength: number; recent: number[] };
  /** Source of seeds for evaluations and environments. */
  seeds: RandomState;
  evaluations: EvaluationRecord[];
  metrics: MetricPositions;
  /** Rows added to the replay buffer; null where its rows are not kept. */
  replayAdded: number | null;
  notices: string[];
  lanes: LaneState[];
}

const count = z.int().min(0);
const finite = z.number();
const evaluation = z.looseObject({
  step: count,
  mean: finite,
  std: finite,
  min: finite,
  max: finite,
  returns: z.array(finite),
  lengths: z.array(count),
  seed: count,
  trainSeconds: finite,
  wallSeconds: finite,
});

const stored = z.strictObject({
  stepsBefore: count,
  updatesBefore: count,
  learning: z.boolean(),
  loggedStep: z.int().min(-1),
  evaluationDue: z.boolean(),
  seconds: z.strictObject({ wall: finite, evaluation: finite }),
  episodes: z.strictObject({ count, lastLength: count, recent: z.array(finite) }),
  seeds: z.strictObject({ words: z.array(z.int()).length(4), spareNormal: finite.nullable() }),
  evaluations: z.array(evaluation),
  metrics: z.strictObject({ lines: count, events: z.record(z.string(), count) }),
  replayAdded: count.nullable(),
  notices: z.array(z.string()),
  lanes: z.array(
    z.strictObject({
      total: finite,
      length: count,
      environment: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
});

const observationName = (lane: number): string => `run.lane.${lane}.observation`;

/** As a string for a checkpoint's metadata and the tensors that go with it: JSON knows no -0. */
export function encodeRunState(state: RunState): {
  text: string;
  tensors: Record<string, SafeTensor>;
} {
  const tensors: Record<string, SafeTensor> = {};
  state.lanes.forEach(({ observation: data }, i) => {
    tensors[observationName(i)] = { dtype: 'F64', shape: [data.length], data };
  });
  const lanes = state.lanes.map(({ total, length, environment }) => {
    return { total, length, environment };
  });
  return { text: JSON.stringify({ ...state, lanes }), tensors };
}

/**
 * Read what `encodeRunState` wrote.
 *
 * @param sourceName what error messages call the file
 * @throws RunError when it is damaged
 */
export function decodeRunState(
  text: string,
  tensors: Readonly<Record<string, SafeTensor>>,
  sourceName: string,
): RunState {
  const fail = (problem: string): RunError =>
    new RunError(
      `Expected the state of the run in ${sourceName} to be whole but ${problem}. ` +
        'The file is damaged, or of another version: use another checkpoint',
    );
  const { data, error } = stored.safeParse(parseJson(text));
  if (error !== undefined) throw fail(z.prettifyError(error).replaceAll(/\s+/g, ' '));
  const lanes = data.lanes.map((lane, i) => {
    const tensor = tensors[observationName(i)];
    if (tensor?.dtype !== 'F64') throw fail(`${observationName(i)} is missing`);
    return { ...lane, observation: tensor.data };
  });
  return { ...data, lanes } as RunState;
}

/** True for a tensor that belongs to the run and not to its agent. */
export function isRunTensor(name: string): boolean {
  return name.startsWith('run.');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
