/** Whole TD3 updates on a GPU, what of them goes into weights, and how long one action takes. */
import { Device } from '../../device/index.js';
import type { DeviceName, Graph, Precision } from '../../device/index.js';
import type { Td3Agent } from '../../td3/agent.js';
import { ratioOfTimes, takeTurns } from '../pairing.js';
import type { Candidate, Timing } from '../pairing.js';
import { median } from '../statistics.js';
import type { PairedRatio } from '../statistics.js';
import { memoryOf } from '../update.js';
import { makeAgent } from '../workload.js';
import type { UpdateShape } from '../workload.js';
import { eachGroup, tryTo } from './each-group.js';
import type { GroupOptions, Omission } from './each-group.js';
import type { GpuBenchSettings, GpuShape } from './gpu-options.js';
import { enqueue, warmUp } from './repeated-calls.js';
import {
  automatic,
  choicesOf,
  describeMode,
  maskedDense,
  maskShapeOf,
  modesOf,
  patternsOf,
  untold,
} from './sparse-modes.js';
import type { ModeChoice, SparseMode, Told } from './sparse-modes.js';

/** How an agent's networks are computed. */
export interface AgentKind extends Told {
  /** "dense", N:M, or what a peer calls itself. */
  name: string;
  precision: Precision;
  /** Whether updates are repeated as CUDA graphs; null for peers. */
  graphs: boolean | null;
}

/** Updates of an agent whose networks have two hidden layers of `width`. */
export interface GpuUpdateResult extends AgentKind, GpuShape {
  updatesPerSecond: number;
  /** Of the rate: 10% of the slots were slower, and 10% faster. */
  p10: number;
  p90: number;
  /** How many times as fast as our dense networks with graphs, in the same type; 95% interval. */
  overDense: PairedRatio;
  /** Of all six networks with gradients, moments and every copy of the weights; null for peers. */
  networkBytes: number | null;
  replayBytes: number | null;
  quiet: boolean;
}

/** What keeping compressed weights up to date costs. */
export interface RefreshCost extends GpuShape {
  pattern: string;
  precision: Precision;
  /** Unless "dense" there are copies of the transpose too. */
  dataGradient: SparseMode['dataGradient'] | null;
  /** Of an update: Adam and Polyak averaging with compressed copies, and without. */
  microsecondsWith: number;
  microsecondsWithout: number;
  /** Their difference as a share of a whole update with sparse products. */
  share: number;
  /** Of a whole update: all of Adam and Polyak averaging. */
  shareOfAll: number;
}

/** From an observation in JavaScript to the action in JavaScript. */
export interface ActLatency extends AgentKind {
  device: DeviceName;
  width: number;
  microseconds: number;
  p10: number;
  p90: number;
}

export interface GpuUpdateBench {
  shape: Pick<UpdateShape, 'obs' | 'act'>;
  updates: GpuUpdateResult[];
  refresh: RefreshCost[];
  act: ActLatency[];
  /** What devices chose for the layers. */
  choices: ModeChoice[];
  omitted: Omission[];
}

export interface GpuUpdateOptions extends GroupOptions {
  settings: GpuBenchSettings;
  /** Others' updates of a shape; they take part in the first type's turns. */
  peers?: (
    shape: UpdateShape,
    seconds: number,
  ) => Promise<{ candidates: Candidate[]; close(): void }>;
}

function modeOf({ sparse, dataGradient, weightGradient }: AgentKind): SparseMode | null {
  if (sparse === null || dataGradient === null || weightGradient === null) return null;
  return { sparse, dataGradient, weightGradient };
}

const isMaskedDense = ({ sparse, weightGradient }: AgentKind) =>
  sparse === maskedDense.sparse && weightGradient === maskedDense.weightGradient;

/** HalfCheetah's. */
const task = { obs: 17, act: 6 };

/** Updates before masks are moved and anything is timed: enough for moments to be no longer zero. */
const settling = 10;

/** Narrower networks act on the CPU as well, for comparison. */
const widestOnCpu = 1024;

export async function benchGpuUpdates(options: GpuUpdateOptions): Promise<GpuUpdateBench> {
  const { settings } = options;
  const bench: GpuUpdateBench = {
    shape: task,
    updates: [],
    refresh: [],
    act: [],
    choices: [],
    omitted: [],
  };
  const groups = settings.updates.flatMap((shape) =>
    settings.precisions.map((precision) => ({ ...shape, precision })),
  );
  await eachGroup(
    groups,
    (group) => `updates ${describe(group)}`,
    options,
    bench.omitted,
    (group, seconds) => measureGroup(group, seconds, options, bench),
  );
  return bench;
}

interface Group extends GpuShape {
  precision: Precision;
}

const describe = ({ width, batch, precision }: Group): string =>
  `${width}x${batch} in ${precision}`;

/** An agent with what describes it. */
interface Made {
  kind: AgentKind;
  agent: Td3Agent;
  close: () => void;
}

async function measureGroup(
  group: Group,
  seconds: number,
  options: GpuUpdateOptions,
  bench: GpuUpdateBench,
): Promise<void> {
  const { signal } = options;
  const made: Made[] = [];
  // Setting agents and peers up takes its time too.
  const budget = seconds / 2;
  const isFirst = group.precision === options.settings.precisions[0];
  const peers = isFirst ? await options.peers?.(workload(group), budget / 2) : undefined;
  try {
    for (const kind of kindsOf(group.precision, options.settings)) {
      const how = describeMode(modeOf(kind) ?? maskedDense);
      const what = `updates of ${kind.name}, ${how}, ${describe(group)}`;
      await tryTo(bench.omitted, what, async () => {
        made.push(makeKind(kind, group, options.settings));
      });
    }
    // What the others are compared with; why it is not there has been noted.
    if (made[0]?.kind.name !== 'dense') return;
    const rates = await timeUpdates(group, made, peers?.candidates ?? [], budget / 2, signal);
    bench.updates.push(...rates.results);
    bench.refresh.push(...(await timeRefresh(group, made, rates.timings, budget / 4, signal)));
    bench.act.push(...(await timeActing(group, made, budget / 4, signal)));
    for (const { kind, agent } of made) {
      const mode = modeOf(kind);
      if (mode === null || kind.graphs === false) continue;
      bench.choices.push(...choicesOf(agent.device, mode));
    }
  } finally {
    peers?.close();
    for (const { close } of made) close();
  }
}

const workload = ({ width, batch }: GpuShape): UpdateShape => ({
  ...task,
  hidden: width,
  batch,
  threads: 1,
  gradientRule: 'masked',
  replay: Math.max(10_000, 2 * batch),
});

/** Dense first, with which the others are compared; graphs are left out of the first two. */
function kindsOf(precision: Precision, { patterns }: GpuBenchSettings): AgentKind[] {
  const dense = { name: 'dense', precision, ...untold };
  const modes = [maskedDense, ...modesOf[precision]];
  return [
    { ...dense, graphs: true },
    ...patterns.flatMap((name) =>
      modes
        .filter((mode) => patternsOf(mode, patterns).includes(name))
        .map((mode) => ({ name, precision, ...mode, graphs: true })),
    ),
    { ...dense, graphs: false },
    ...patterns.slice(0, 1).map((name) => ({ name, precision, ...automatic, graphs: false })),
  ];
}

function makeKind(kind: AgentKind, shape: GpuShape, settings: GpuBenchSettings): Made {
  const { precision } = kind;
  const mode = modeOf(kind) ?? maskedDense;
  const device = new Device({ device: settings.device, precision, ...mode });
  if (kind.graphs === false) leaveGraphsOut(device);
  const maskShape = maskShapeOf(mode.dataGradient);
  return { kind, ...makeAgent(workload(shape), kind.name, { device, settling, maskShape }) };
}

/** Whatever this device would record it does call by call. */
function leaveGraphsOut(device: Device): void {
  const capture = (calls: () => void) => ({ run: calls, close: () => {} }) as unknown as Graph;
  Object.defineProperty(device, 'capture', { value: capture });
}

/** The same networks on the CPU, for an action. */
function onCpu({ name }: AgentKind, shape: GpuShape): Made {
  const kind: AgentKind = { name, precision: 'fp32', ...untold, graphs: false };
  return { kind, ...makeAgent(workload(shape), name, { settling: 0 }) };
}

function updates({ agent, kind }: Made): Candidate {
  const multiple = agent.config.policyDelay;
  return enqueue(agent.device, kind.name, () => agent.learn(), { multiple });
}

async function timeUpdates(
  { width, batch, precision }: Group,
  made: readonly Made[],
  peers: readonly Candidate[],
  budgetSeconds: number,
  signal: AbortSignal | undefined,
): Promise<{ results: GpuUpdateResult[]; timings: Timing[] }> {
  const ours = made.map(updates);
  await warmUp(ours);
  const turns = { rounds: 7, slotSeconds: 0.1, quietShare: 1, budgetSeconds, signal };
  const timings = await takeTurns([...ours, ...peers], turns);
  const results = timings.map((timing, i): GpuUpdateResult => {
    const one = made[i];
    const memory = one === undefined ? undefined : memoryOf(one.agent);
    return {
      ...(one?.kind ?? {
        name: timing.name,
        precision,
        ...untold,
        graphs: null,
      }),
      width,
      batch,
      updatesPerSecond: 1 / timing.median,
      // A long time is a low rate.
      p10: 1 / timing.p90,
      p90: 1 / timing.p10,
      overDense: ratioOfTimes(timings[0]!, timing, turns.quietShare),
      networkBytes: memory?.networks ?? null,
      replayBytes: memory?.replay ?? null,
      quiet: timing.quiet,
    };
  });
  return { results, timings };
}

const noStep = { learningRate: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** Adam and Polyak averaging as two updates have them, of which the second moves actor and targets. */
function weightSteps({ agent, kind }: Made): Candidate {
  const { actor, actorTarget, critics, criticTargets } = agent.networks;
  const { tau } = agent.config;
  const graph = agent.device.capture(() => {
    for (let i = 0; i < agent.config.policyDelay; i++) critics.adam(noStep);
    actor.adam(noStep);
    const pairs = [
      { target: actorTarget, source: actor },
      { target: criticTargets, source: critics },
    ];
    agent.device.polyak(pairs, tau);
  });
  return enqueue(agent.device, kind.name, () => graph.run());
}

/** The same pattern with sparse products and without, one after the other in every round. */
async function timeRefresh(
  { width, batch, precision }: Group,
  made: readonly Made[],
  whole: readonly Timing[],
  budgetSeconds: number,
  signal: AbortSignal | undefined,
): Promise<RefreshCost[]> {
  const without = (name: string) =>
    made.findIndex(({ kind }) => kind.name === name && isMaskedDense(kind));
  const pairs = made
    .map(({ kind }, on) => ({ ...kind, on, off: without(kind.name) }))
    .filter(({ sparse, off }) => sparse === 'always' && off >= 0);
  if (pairs.length === 0) return [];
  const candidates = pairs.flatMap(({ on, off }) => [on, off].map((i) => weightSteps(made[i]!)));
  await warmUp(candidates);
  const turns = { rounds: 7, slotSeconds: 0.02, quietShare: 1, budgetSeconds, signal };
  const timings = await takeTurns(candidates, turns);
  return pairs.map(({ name, dataGradient, on }, i) => {
    const delay = made[on]!.agent.config.policyDelay;
    const of = (timing: Timing) => timing.slots.map(({ seconds }) => seconds / delay);
    const [compressed, plain] = [of(timings[2 * i]!), of(timings[2 * i + 1]!)];
    const update = whole[on]!.median;
    return {
      pattern: name,
      precision,
      dataGradient,
      width,
      batch,
      microsecondsWith: 1e6 * median(compressed),
      microsecondsWithout: 1e6 * median(plain),
      share: median(compressed.map((seconds, round) => seconds - plain[round]!)) / update,
      shareOfAll: median(compressed) / update,
    };
  });
}

async function timeActing(
  shape: Group,
  made: readonly Made[],
  budgetSeconds: number,
  signal: AbortSignal | undefined,
): Promise<ActLatency[]> {
  const { width } = shape;
  const observation = Float32Array.from({ length: task.obs }, (_, i) => Math.sin(i));
  const act = ({ agent, kind }: Made): Candidate => ({
    name: kind.name,
    run: (units) => {
      for (let i = 0; i < units; i++) agent.act(observation);
    },
  });
  // Sparse tensor cores take no single rows: how they are used makes no difference.
  const asked = made.filter(
    ({ kind }) => kind.sparse === null || (kind.sparse === 'auto' && kind.dataGradient === 'dense'),
  );
  const cpu: Made[] = [];
  try {
    for (const { kind } of width > widestOnCpu ? [] : asked.slice(0, 2))
      cpu.push(onCpu(kind, shape));
    const all = [...asked, ...cpu];
    const turns = { rounds: 5, slotSeconds: 0.02, quietShare: 1, budgetSeconds, signal };
    const timings = await takeTurns(all.map(act), turns);
    return timings.map((timing, i) => ({
      ...all[i]!.kind,
      device: all[i]!.agent.device.info.name as DeviceName,
      width,
      microseconds: 1e6 * timing.median,
      p10: 1e6 * timing.p10,
      p90: 1e6 * timing.p90,
    }));
  } finally {
    for (const { close } of cpu) close();
  }
}
