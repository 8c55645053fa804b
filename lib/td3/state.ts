/** An agent's state as named tensors: for checkpoints, and for comparison with other programs. */
import type { Mlp, LayerPart, Replay } from '../device/index.js';
import { checkBoolean, checkInteger, checkNumber, invalidValue } from '../errors.js';
import { Random } from '../random.js';
import type { RandomState } from '../random.js';
import type { AgentState, StateOptions } from '../train/trainable.js';
import type { MaskProgress } from './mask-updates.js';
import type { NStepReturns } from './n-step.js';
import { namedNetworks } from './networks.js';
import type { NamedNetwork, Td3Networks } from './networks.js';
import type { ObservationStatistics } from './observation-statistics.js';
import { checkTensor, damaged } from './state-tensor.js';
import type { FoundTensor } from './state-tensor.js';
import { checkStatistics, readStatistics } from './statistics-state.js';
import { checkWindows, windowTensors } from './window-state.js';
import type { StoredWindow } from './window-state.js';

export type { AgentState, StateOptions } from '../train/trainable.js';

/** What a state is read from and written to. */
interface Stateful {
  networks: Td3Networks;
  replay: Replay;
  /** Steps on their way to the replay buffer, which belong to it. */
  returns: NStepReturns;
  /** Of an agent that normalises observations. */
  observationStatistics: ObservationStatistics | undefined;
  /** What the networks' outputs from -1 to 1 mean. */
  limits: ActionLimits;
}

interface ActionLimits {
  actionLow: readonly number[];
  actionHigh: readonly number[];
}

/** The agent's own counters and random numbers. */
export interface Progress extends MaskProgress {
  steps: number;
  updates: number;
  actionsAtLimits: number;
  random: RandomState;
  /** Figures of the latest update, where the next ones shall not wait for another. */
  latest?: Record<string, number> | undefined;
}

/** What else is stored with them. */
interface StoredProgress extends Progress, Partial<ActionLimits> {
  adamSteps: { actor: number; critics: number };
  /** `Replay.next`, where the replay buffer is part of the state. */
  replayNext?: number;
  /** `Replay.added`, likewise, or where its rows are kept apart. */
  replayAdded?: number;
  /** Whose steps were on their way there, likewise. */
  windows?: StoredWindow[];
}

/** A part of a layer under its name: NET.L.weight, .bias, .mask, .weight.m, .weight.v, ... */
const stateParts: { suffix: string; part: LayerPart; ofTraining: boolean; optional?: true }[] = [
  // The mask first: weights and moments are stored according to it.
  { suffix: 'mask', part: 'mask', ofTraining: false },
  { suffix: 'weight', part: 'weight', ofTraining: false },
  { suffix: 'bias', part: 'bias', ofTraining: false },
  // Of weights as they were at the last mask update. Devices that have none leave it out.
  { suffix: 'mask.gradient', part: 'gradientMask', ofTraining: true, optional: true },
  { suffix: 'weight.m', part: 'weightMoment1', ofTraining: true },
  { suffix: 'weight.v', part: 'weightMoment2', ofTraining: true },
  { suffix: 'bias.m', part: 'biasMoment1', ofTraining: true },
  { suffix: 'bias.v', part: 'biasMoment2', ofTraining: true },
];

/** A part of a layer of one of the six networks. */
export interface StatePlace {
  /** Name of the tensor, e.g. "critic1.0.weight.m". */
  name: string;
  mlp: Mlp;
  member: number;
  layer: number;
  part: LayerPart;
  shape: number[];
  /** A state may lack it. */
  optional: boolean;
}

/** Every tensor of the six networks, in the order in which they have to be written. */
export function statePlaces(networks: Td3Networks): StatePlace[] {
  return namedNetworks(networks).flatMap((network) =>
    Array.from({ length: network.mlp.layers }, (_, layer) => layerPlaces(network, layer)).flat(),
  );
}

function layerPlaces({ name, mlp, member }: NamedNetwork, layer: number): StatePlace[] {
  const [inputs, outputs] = [mlp.sizes[layer] ?? 0, mlp.sizes[layer + 1] ?? 0];
  return stateParts
    .filter(({ ofTraining }) => mlp.trainable || !ofTraining)
    .filter(({ part }) => mlp.prunesTranspose || part !== 'gradientMask')
    .map(({ suffix, part, optional = false }) => ({
      name: `${name}.${layer}.${suffix}`,
      mlp,
      member,
      layer,
      part,
      shape: suffix.startsWith('bias') ? [outputs] : [outputs, inputs],
      optional,
    }));
}

/**
 * Places of a state: the actor's gradients of dormant weights are part of it while a mask update may follow
 * them.
 */
function placesOf(networks: Td3Networks, { actorGradient }: MaskProgress): StatePlace[] {
  const places = statePlaces(networks);
  return actorGradient ? [...places, ...gradientPlaces(networks)] : places;
}

function gradientPlaces({ actor }: Td3Networks): StatePlace[] {
  return Array.from({ length: actor.layers }, (_, layer) => ({
    name: `actor.${layer}.weight.g`,
    mlp: actor,
    member: 0,
    layer,
    part: 'dormantGradient' as const,
    shape: [actor.sizes[layer + 1] ?? 0, actor.sizes[layer] ?? 0],
    optional: false,
  }));
}

/** Collect the state. */
export function readState(agent: Stateful, progress: Progress, options: StateOptions): AgentState {
  const tensors: AgentState['tensors'] = {};
  for (const { name, mlp, layer, part, member, shape } of placesOf(agent.networks, progress)) {
    const data = mlp.read(layer, part, member);
    tensors[name] =
      part === 'mask' || part === 'gradientMask'
        ? { dtype: 'U8', shape, data: Uint8Array.from(data) }
        : { dtype: 'F32', shape, data };
  }
  Object.assign(tensors, readStatistics(agent.observationStatistics));
  const { actor, critics } = agent.networks;
  const adamSteps = { actor: actor.adamSteps, critics: critics.adamSteps };
  const { actionLow, actionHigh } = agent.limits;
  const stored: StoredProgress = { ...progress, adamSteps, actionLow, actionHigh };
  const { replay: withReplay = false } = options;
  if (withReplay !== false) {
    const { replay } = agent;
    if (withReplay === true) {
      const data = replay.read(0, replay.size);
      tensors['replay.rows'] = { dtype: 'F32', shape: [replay.size, replay.rowLength], data };
      stored.replayNext = replay.next;
    }
    stored.replayAdded = replay.added;
    const windows = agent.returns.windows();
    stored.windows = windows.map(([source, { steps }]) => ({ source, steps: steps.length }));
    for (const [source, window] of windows) Object.assign(tensors, windowTensors(source, window));
  }
  return { tensors, metadata: { progress: JSON.stringify(stored) } };
}

/** Put a state back. One that does not fit changes nothing. */
export function writeState(agent: Stateful, state: AgentState): Progress {
  const { networks, replay } = agent;
  if (!isRecord(state) || !isRecord(state.tensors) || !isRecord(state.metadata)) {
    throw invalidValue('state', 'what agent.state() returned', state);
  }
  const progress = parseProgress(state.metadata['progress']);
  checkLimits(agent.limits, progress);
  const places = placesOf(networks, progress);
  for (const place of places) checkPlace(place, state.tensors[place.name]);
  const rows = checkRows(replay, state.tensors['replay.rows'], progress.replayNext);
  // Rows that are kept apart have been put back, or the steps on their way to them have nowhere to go.
  const hasReplay = rows !== undefined || progress.replayAdded === replay.added;
  const windows = hasReplay ? checkWindows(agent, state.tensors, progress.windows) : [];
  const statistics = checkStatistics(agent.observationStatistics, state.tensors);
  // That a mask fits pattern and shape shows when it is written, which may be after others were.
  const before = readState(agent, progress, {});
  try {
    writeTensors(places, state.tensors);
  } catch (error) {
    writeTensors(places, before.tensors);
    throw error;
  }
  if (rows !== undefined) replay.restore(rows, progress.replayNext);
  agent.returns.restore(windows);
  // There is an observation to each step.
  agent.observationStatistics?.restore(progress.steps, statistics.mean, statistics.variance);
  networks.actor.adamSteps = progress.adamSteps.actor;
  networks.critics.adamSteps = progress.adamSteps.critics;
  return { ...progress, latest: hasReplay ? progress.latest : undefined };
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function checkPlace({ name, part, shape, optional }: StatePlace, found: FoundTensor): void {
  if (optional && found === undefined) return;
  const isMask = part === 'mask' || part === 'gradientMask';
  const values = checkTensor(name, isMask ? 'U8' : 'F32', shape, found);
  if (isMask && !values.every((entry) => entry === 0 || entry === 1)) {
    throw invalidValue(`tensor ${name}`, 'a mask of zeros and ones', values, damaged);
  }
  if (part !== 'weightMoment2' && part !== 'biasMoment2') return;
  const wrong = values.findIndex((value) => value < 0);
  if (wrong < 0) return;
  throw invalidValue(
    `tensor ${name}[${wrong}]`,
    'at least 0, a mean of squares,',
    values[wrong],
    damaged,
  );
}

/** A policy for other limits would act in other units. */
function checkLimits(own: ActionLimits, stored: Partial<ActionLimits>): void {
  for (const name of ['actionLow', 'actionHigh'] as const) {
    const values = stored[name];
    if (values === undefined) continue;
    own[name].forEach((limit, i) => {
      if (values[i] === limit) return;
      const remedy = 'The state belongs to an agent for another range of actions';
      throw invalidValue(
        `${name}[${i}] of the state`,
        `${limit}, as the agent's`,
        values[i],
        remedy,
      );
    });
  }
}

/** The rows of a stored replay buffer, if there is one. */
function checkRows({ rowLength }: Replay, found: FoundTensor, next = 0): Float32Array | undefined {
  if (found === undefined) return undefined;
  const count = Array.isArray(found?.shape) ? Number(found.shape[0]) : 0;
  const rows = checkTensor('replay.rows', 'F32', [count, rowLength], found);
  checkDiscounts(rows, rowLength);
  // A buffer may be as large as the machine's memory: no copy unless it takes another type.
  if (next <= count) return rows instanceof Float32Array ? rows : Float32Array.from(rows);
  throw invalidValue('replayNext of the state', `an integer from 0 to ${count}`, next, damaged);
}

function checkDiscounts(rows: ArrayLike<number>, rowLength: number): void {
  for (let i = rowLength - 1; i < rows.length; i += rowLength) {
    const discount = rows[i] ?? NaN;
    if (discount >= 0 && discount <= 1) continue;
    throw invalidValue(`tensor replay.rows[${i}]`, 'a discount from 0 to 1', discount, damaged);
  }
}

function writeTensors(places: StatePlace[], tensors: AgentState['tensors']): void {
  for (const { name, mlp, layer, part, member, optional } of places) {
    // Writing a mask has the one of the data gradient chosen from the weights that are there now.
    if (optional && tensors[name] === undefined) {
      mlp.write(layer, 'mask', mlp.read(layer, 'mask', member), member);
    } else {
      mlp.write(layer, part, tensors[name]?.data as ArrayLike<number>, member);
    }
  }
}

function parseProgress(text: string | undefined): StoredProgress {
  try {
    const value = JSON.parse(text ?? '') as StoredProgress;
    const { steps, updates, lastMaskUpdate, adamSteps, replayNext = 0 } = value;
    const { actor, critics } = adamSteps;
    const counters = { steps, updates, lastMaskUpdate, replayNext, actor, critics };
    for (const [name, count] of Object.entries(counters)) checkInteger(name, count, 0);
    checkBoolean('actorGradient', value.actorGradient);
    checkNumber('actionsAtLimits', value.actionsAtLimits, 0, 1);
    if (value.replayAdded !== undefined) checkInteger('replayAdded', value.replayAdded, 0);
    for (const [name, figure] of Object.entries(value.latest ?? {})) checkNumber(name, figure);
    checkInteger('updates', updates, lastMaskUpdate);
    Random.fromState(value.random);
    return value;
  } catch (cause) {
    const error = invalidValue('metadata.progress', 'the JSON that agent.state() wrote', text);
    error.cause = cause;
    throw error;
  }
}
