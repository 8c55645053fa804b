/** An agent's state as named tensors: for checkpoints, and for comparison with other programs. */
import type { Mlp, LayerPart, Replay } from '../device/index.js';
import { invalidValue } from '../errors.js';
import type { RandomState } from '../random.js';
import type { AgentState } from '../train/trainable.js';
import { namedNetworks } from './networks.js';
import type { NamedNetwork, Td3Networks } from './networks.js';

export type { AgentState } from '../train/trainable.js';

/** What a state is read from and written to. */
interface Stateful {
  networks: Td3Networks;
  replay: Replay;
}

/** The agent's own counters. */
export interface Progress {
  steps: number;
  updates: number;
  lastMaskUpdate: number;
  random: RandomState;
}

export interface StateOptions {
  /** Include the replay buffer (`replay.rows`, [size, row length]). Default: false. */
  replay?: boolean;
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

/** Collect the state. */
export function readState(agent: Stateful, progress: Progress, options: StateOptions): AgentState {
  const tensors: AgentState['tensors'] = {};
  for (const { name, mlp, layer, part, member, shape } of statePlaces(agent.networks)) {
    const data = mlp.read(layer, part, member);
    tensors[name] =
      part === 'mask' || part === 'gradientMask'
        ? { dtype: 'U8', shape, data: Uint8Array.from(data) }
        : { dtype: 'F32', shape, data };
  }
  if (options.replay === true) {
    const { replay } = agent;
    const data = replay.read(0, replay.size);
    tensors['replay.rows'] = { dtype: 'F32', shape: [replay.size, replay.rowLength], data };
  }
  const { actor, critics } = agent.networks;
  const adamSteps = { actor: actor.adamSteps, critics: critics.adamSteps };
  return { tensors, metadata: { progress: JSON.stringify({ ...progress, adamSteps }) } };
}

/** Put a state back. One that does not fit changes nothing. */
export function writeState(agent: Stateful, state: AgentState): Progress {
  const progress = parseProgress(state.metadata['progress']);
  const places = statePlaces(agent.networks);
  for (const { name, shape, optional } of places) {
    const found = state.tensors[name];
    if (optional && found === undefined) continue;
    if (found?.shape.join() !== shape.join()) {
      const remedy = 'The state belongs to an agent with other sizes or another pattern';
      throw invalidValue(`tensor ${name}`, `of shape [${shape.join(', ')}]`, found?.shape, remedy);
    }
  }
  // That a mask fits pattern and shape shows when it is written, which may be after others were.
  const before = readState(agent, progress, {});
  try {
    writeTensors(places, state.tensors);
  } catch (error) {
    writeTensors(places, before.tensors);
    throw error;
  }
  const rows = state.tensors['replay.rows']?.data;
  if (rows instanceof Float32Array) agent.replay.append(rows);
  agent.networks.actor.adamSteps = progress.adamSteps.actor;
  agent.networks.critics.adamSteps = progress.adamSteps.critics;
  return progress;
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

function parseProgress(text: string | undefined): Progress & {
  adamSteps: { actor: number; critics: number };
} {
  try {
    const value = JSON.parse(text ?? '') as ReturnType<typeof parseProgress>;
    const counters = [
      value.steps,
      value.updates,
      value.lastMaskUpdate,
      value.adamSteps.actor,
      value.adamSteps.critics,
    ];
    if (counters.every((n) => Number.isSafeInteger(n) && n >= 0)) return value;
  } catch {
    // Falls through to the one error below.
  }
  throw invalidValue('metadata.progress', 'the JSON that agent.state() wrote', text);
}
