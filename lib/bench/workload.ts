/** Agents to measure: a problem's shape, with a replay buffer full of random transitions. */
import { Device } from '../device/index.js';
import type { MaskShape } from '../device/index.js';
import { Random } from '../random.js';
import { Td3Agent } from '../td3/agent.js';
import type { HyperparameterOptions, Td3Options } from '../td3/config.js';
import type { SparseLayers } from '../td3/pattern.js';

/** The shape of an update. */
export interface UpdateShape {
  /** Length of an observation. */
  obs: number;
  /** Length of an action. */
  act: number;
  /** Width of both hidden layers. */
  hidden: number;
  /** Transitions per update. */
  batch: number;
  /** 0 takes every core. */
  threads: number;
  gradientRule: NonNullable<HyperparameterOptions['gradientRule']>;
  /** Layers that a single pattern is for. Default: the agent's. */
  sparseLayers?: SparseLayers;
  /** Transitions in the replay buffer. */
  replay: number;
}

/** Distinct rows among them; what they hold makes no difference to the time. */
const distinctRows = 1000;

/**
 * Updates before an agent's first mask update: fewer for wide networks, so that they take a second or
 * two, but a number that the shape alone decides, so that the same agent is measured every time.
 */
function settlingUpdates({ hidden, obs, act }: UpdateShape): number {
  const weights = 3 * hidden * (hidden + obs + act);
  return Math.min(500, Math.max(50, Math.round(1.5e8 / weights)));
}

/** A mask update never falls into an update that is measured: it is measured by itself. */
const never = Number.MAX_SAFE_INTEGER;

export interface AgentOptions {
  /** Instruction set of the CPU's kernels. Default: the best. */
  isa?: string | undefined;
  /** The agent's own device, closed with it and if it cannot be made. Default: the CPU. */
  device?: Device;
  /** Updates before the first mask update. Default: as many as the shape asks for. */
  settling?: number;
  /** Default: "row". */
  maskShape?: MaskShape;
}

/** An agent of this shape whose `learn()` may be called at once; close it afterwards. */
export function makeAgent(
  shape: UpdateShape,
  sparsity: string,
  options: AgentOptions = {},
): { agent: Td3Agent; close: () => void } {
  const { isa, settling = settlingUpdates(shape), maskShape = 'row' } = options;
  const onCpu = {
    device: 'cpu',
    threads: shape.threads,
    ...(isa === undefined ? {} : { isa }),
  } as const;
  const { device = new Device(onCpu) } = options;
  try {
    const agent = new Td3Agent({ ...agentOptions(shape), sparsity, maskShape }, device);
    fillReplay(agent);
    moveMasks(agent, settling);
    return { agent, close: () => device.close() };
  } catch (error) {
    device.close();
    throw error;
  }
}

function agentOptions(shape: UpdateShape): Td3Options {
  return {
    observationSize: shape.obs,
    actionSize: shape.act,
    actionLow: -1,
    actionHigh: 1,
    hiddenSizes: [shape.hidden, shape.hidden],
    batchSize: shape.batch,
    gradientRule: shape.gradientRule,
    sparseLayers: shape.sparseLayers,
    maskInterval: never,
    bufferSize: shape.replay,
    learningStarts: 0,
  };
}

/**
 * The first mask update, after which online and target masks differ as in training. (The fewer the
 * updates before it, the more they differ, and the more Polyak averaging has to do.)
 */
function moveMasks(agent: Td3Agent, updates: number): void {
  if (agent.sparsity === 'dense') return;
  while (agent.updates < updates) agent.learn();
  const { actor, actorTarget, critics, criticTargets } = agent.networks;
  for (const network of [actor, critics, actorTarget, criticTargets]) network.updateMasks();
}

/** Random transitions: normal observations and rewards, uniform actions, one in a hundred terminal. */
function fillReplay({ replay, config }: Td3Agent): void {
  const random = new Random(0);
  const { observationSize: obs, actionSize: act, gamma } = config;
  const rows = new Float32Array(distinctRows * replay.rowLength);
  rows.forEach((_, i) => {
    const column = i % replay.rowLength;
    const isAction = column >= obs && column < obs + act;
    const isDiscount = column === replay.rowLength - 1;
    if (isAction) rows[i] = random.uniform(-1, 1);
    else if (isDiscount) rows[i] = random.uniform() < 0.01 ? 0 : gamma;
    else rows[i] = random.normal();
  });
  while (replay.size < replay.capacity) replay.append(rows);
}
