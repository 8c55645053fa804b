/** Steps that wait for their returns, as tensors of an agent's state. */
import type { Replay } from '../device/index.js';
import { checkInteger, invalidValue } from '../errors.js';
import type { AgentState } from '../train/trainable.js';
import { transitionsOf } from './n-step.js';
import type { NStepReturns, StepWindow } from './n-step.js';
import { checkTensor } from './state-tensor.js';

type Tensors = AgentState['tensors'];

/** Which environment a stored window is of, and its number of steps. */
export interface StoredWindow {
  source: number;
  steps: number;
}

const tensorName = (source: number, part: string) => `window.${source}.${part}`;

/**
 * The window of one environment as `window.SOURCE.observation` and `.action`, [steps, size], `.reward`,
 * [steps], and `.nextObservation`, [1, size].
 */
export function windowTensors(source: number, { steps, nextObservation }: StepWindow): Tensors {
  return {
    [tensorName(source, 'observation')]: table(steps.map((step) => step.observation)),
    [tensorName(source, 'action')]: table(steps.map((step) => step.action)),
    // In float64, since only their sum is rounded.
    [tensorName(source, 'reward')]: {
      dtype: 'F64',
      shape: [steps.length],
      data: Float64Array.from(steps, ({ reward }) => reward),
    },
    [tensorName(source, 'nextObservation')]: table([nextObservation]),
  };
}

function table(rows: readonly ArrayLike<number>[]): Tensors[string] {
  const data = Float32Array.from(rows.flatMap((row) => Array.from(row)));
  return { dtype: 'F32', shape: [rows.length, rows[0]?.length ?? 0], data };
}

/** What the windows are to fit. */
interface Owner {
  replay: Replay;
  returns: NStepReturns;
}

/**
 * Read the windows that a state has.
 *
 * @param stored which these are
 * @throws InvalidValueError when something is missing or damaged, or does not fit the agent
 */
export function checkWindows(
  owner: Owner,
  tensors: Tensors,
  stored: StoredWindow[] | undefined,
): [source: number, window: StepWindow][] {
  if (Array.isArray(stored)) return stored.map((each) => checkWindow(owner, tensors, each));
  const remedy = 'The state is damaged, or of a version whose replay rows have another meaning';
  throw invalidValue('windows of the state', 'a list', stored, remedy);
}

function checkWindow(
  { replay, returns }: Owner,
  tensors: Tensors,
  stored: StoredWindow,
): [source: number, window: StepWindow] {
  const source = checkInteger('source of a window of the state', stored?.source, 0);
  const count = checkCount(source, stored.steps, returns.nSteps);
  const read = (part: string, dtype: 'F32' | 'F64', shape: number[]) => {
    const name = tensorName(source, part);
    return checkTensor(name, dtype, shape, tensors[name]);
  };
  const readRows = (part: string, rows: number, columns: number) => {
    const values = read(part, 'F32', [rows, columns]);
    const row = (i: number) => Float32Array.from(values.subarray(i * columns, (i + 1) * columns));
    return Array.from({ length: rows }, (_, i) => row(i));
  };
  const actions = readRows('action', count, replay.actionSize);
  const rewards = read('reward', 'F64', [count]);
  const steps = readRows('observation', count, replay.observationSize).map((observation, i) => {
    return { observation, action: actions[i] ?? [], reward: rewards[i] ?? NaN };
  });
  const [nextObservation = []] = readRows('nextObservation', 1, replay.observationSize);
  const window = { steps, nextObservation };
  // They are handed on when the episode is cut, which is too late for an error.
  transitionsOf(window, returns.gamma, false);
  return [source, window];
}

function checkCount(source: number, steps: number, nSteps: number): number {
  if (Number.isInteger(steps) && steps >= 1 && steps < nSteps) return steps;
  const expected = `an integer from 1 to nSteps - 1 (${nSteps - 1})`;
  const remedy = 'The state is damaged, or of an agent with larger nSteps';
  throw invalidValue(`the steps of window ${source} of the state`, expected, steps, remedy);
}
