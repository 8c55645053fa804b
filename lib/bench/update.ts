/** Whole TD3 updates: how long they take, where the time goes, and how much memory they need. */
import type { Td3Agent } from '../td3/agent.js';
import { resolveConfig } from '../td3/config.js';
import { CallTimes, phases, timeCalls } from './agent-calls.js';
import type { Phase } from './agent-calls.js';
import { busyElsewhere, ratioOfTimes, takeTurns } from './pairing.js';
import type { Candidate, Timing, TurnOptions } from './pairing.js';
import { median } from './statistics.js';
import type { PairedRatio } from './statistics.js';
import { makeAgent } from './workload.js';
import type { UpdateShape } from './workload.js';
import { actorOptions } from '../td3/networks.js';

/** Parts of an update: kinds of calls, and the JavaScript between them. */
export type UpdatePart = Phase | 'betweenCalls';

/** What crossing from JavaScript into native code costs; contained in the calls of the breakdown. */
export interface Crossing {
  callsPerUpdate: number;
  /** Of a call that does next to nothing. */
  microsecondsPerCall: number;
  /** Of an update's time. */
  share: number;
}

/** Bytes that an agent holds. */
export interface MemoryBytes {
  /** All six networks: weights (dormant ones too), indices, gradients and Adam's moments. */
  networks: number;
  actor: number;
  actorTarget: number;
  critics: number;
  criticTargets: number;
  /** An actor that is never trained. */
  inference: number;
  /** Rows of the replay buffer, as many as this benchmark fills. */
  replay: number;
}

/** What came out for one pattern. */
export interface UpdateResult {
  sparsity: string;
  /** Milliseconds: median, p10 and p90 over slots of many updates, mask updates included. */
  msPerUpdate: number;
  p10: number;
  p90: number;
  updatesPerSecond: number;
  /** Milliseconds per update; the parts sum to msPerUpdate. */
  breakdown: Record<UpdatePart, number>;
  crossing: Crossing;
  memoryBytes: MemoryBytes;
  /** How many times as fast as the first pattern that was measured, with a 95% interval. */
  speedup: PairedRatio;
  slots: number;
  updatesPerSlot: number;
  /** Whether other processes left the machine alone; if not, take no figure seriously. */
  quiet: boolean;
}

/** A peer's result, in the same run. */
export interface PeerResult {
  name: string;
  msPerUpdate: number;
  p10: number;
  p90: number;
  /** How many times as fast as the first pattern, with a 95% interval; below 1 is slower. */
  speedup: PairedRatio;
  quiet: boolean;
}

export interface UpdateBench {
  shape: UpdateShape;
  isa: string;
  threads: number;
  results: UpdateResult[];
  peers: PeerResult[];
  /** Cores that other processes kept busy in the median slot; null where that is unknown. */
  othersCores: number | null;
}

export interface UpdateBenchOptions extends TurnOptions {
  /** Instruction set; default: the device's. */
  isa?: string;
  /** Take turns with ours; their unit is an update. */
  peers?: readonly Candidate[];
}

/** Updates between two mask updates, as an agent has it by default. */
const maskInterval = Number(
  resolveConfig({ observationSize: 1, actionSize: 1, actionLow: -1, actionHigh: 1 }).maskInterval,
);

/** Slots that the breakdown is taken from. */
const breakdownSlots = 5;

/** Time updates of one shape under several patterns, which take turns with each other and peers. */
export async function benchUpdates(
  shape: UpdateShape,
  sparsities: readonly string[],
  options: UpdateBenchOptions = {},
): Promise<UpdateBench> {
  const made: ReturnType<typeof makeAgent>[] = [];
  try {
    for (const sparsity of sparsities) made.push(makeAgent(shape, sparsity, { isa: options.isa }));
    const agents = made.map(({ agent }) => agent);
    const ours = agents.map((agent) => updateCandidate(agent));
    const timings = await takeTurns([...ours, ...(options.peers ?? [])], options);
    const [first] = timings;
    if (first === undefined) throw new Error('nothing to measure');
    const { isa = '', threads = 0 } = agents[0]?.device.info ?? {};
    return {
      shape,
      isa,
      threads,
      results: agents.map((agent, i) => describe(agent, timings[i] ?? first, first)),
      peers: timings.slice(agents.length).map((timing) => describePeer(timing, first)),
      othersCores: busyElsewhere(timings),
    };
  } finally {
    for (const { close } of made) close();
  }
}

/** A slot is a whole multiple of the policy delay: every slot holds the same work. */
export function updateCandidate(agent: Td3Agent): Candidate {
  return {
    name: agent.config.sparsity,
    multiple: agent.config.policyDelay,
    run: (units) => {
      for (let i = 0; i < units; i++) agent.learn();
    },
  };
}

function describe(agent: Td3Agent, timing: Timing, first: Timing): UpdateResult {
  const masks = maskSeconds(agent) / maskInterval;
  const times = timeCalls(agent);
  const ms = (seconds: number) => 1e3 * (seconds + masks);
  const { parts, calls } = breakDown(agent, times, timing);
  const microseconds = crossingMicroseconds(agent);
  return {
    sparsity: agent.config.sparsity,
    msPerUpdate: ms(timing.median),
    p10: ms(timing.p10),
    p90: ms(timing.p90),
    updatesPerSecond: 1 / (timing.median + masks),
    breakdown: { ...parts, masks: 1e3 * masks },
    crossing: {
      callsPerUpdate: calls,
      microsecondsPerCall: microseconds,
      share: (calls * microseconds) / 1e3 / ms(timing.median),
    },
    memoryBytes: memoryOf(agent),
    // Times of a slot, so that more is faster.
    speedup: ratioOfTimes(first, timing),
    slots: timing.count,
    updatesPerSlot: timing.units,
    quiet: timing.quiet,
  };
}

function describePeer(timing: Timing, first: Timing): PeerResult {
  return {
    name: timing.name,
    msPerUpdate: 1e3 * timing.median,
    p10: 1e3 * timing.p10,
    p90: 1e3 * timing.p90,
    speedup: ratioOfTimes(first, timing),
    quiet: timing.quiet,
  };
}

/**
 * Each part's share of updates with a clock around every call, as milliseconds of an update without
 * clocks. Looking at the clock costs some 0.1 microseconds a call.
 */
function breakDown(
  agent: Td3Agent,
  times: CallTimes,
  timing: Timing,
): { parts: Record<UpdatePart, number>; calls: number } {
  times.reset();
  const updates = timing.units * breakdownSlots;
  const start = performance.now();
  for (let i = 0; i < updates; i++) agent.learn();
  const total = (performance.now() - start) / 1e3;
  const scale = (1e3 * timing.median) / total;
  const entries = phases.map((phase) => [phase, scale * (times.seconds.get(phase) ?? 0)] as const);
  const calls = [...times.calls.values()].reduce((sum, count) => sum + count, 0);
  return {
    parts: {
      ...(Object.fromEntries(entries) as Record<Phase, number>),
      betweenCalls: scale * (total - times.total),
    },
    calls: calls / updates,
  };
}

/** Seconds of a mask update of all six networks, whose weights have moved since the last one. */
function maskSeconds(agent: Td3Agent): number {
  const { actor, actorTarget, critics, criticTargets } = agent.networks;
  return median(
    Array.from({ length: 5 }, () => {
      for (let i = 0; i < agent.config.policyDelay; i++) agent.learn();
      const start = performance.now();
      for (const network of [actor, critics, actorTarget, criticTargets]) network.updateMasks();
      return (performance.now() - start) / 1e3;
    }),
  );
}

/** Microseconds of the least call there is: filling a matrix of one number. */
function crossingMicroseconds({ device }: Td3Agent): number {
  const one = device.matrix(1, 1);
  const calls = 1000;
  return median(
    Array.from({ length: 9 }, () => {
      const start = performance.now();
      for (let i = 0; i < calls; i++) device.fill(one, i);
      return (1e3 * (performance.now() - start)) / calls;
    }),
  );
}

/** Bytes that an agent holds on its device. */
export function memoryOf({ config, device, networks, replay }: Td3Agent): MemoryBytes {
  const { actor, actorTarget, critics, criticTargets } = networks;
  const policy = device.mlp({ ...actorOptions(config), role: 'inference' });
  const inference = policy.bytes;
  policy.close();
  return {
    networks: actor.bytes + actorTarget.bytes + critics.bytes + criticTargets.bytes,
    actor: actor.bytes,
    actorTarget: actorTarget.bytes,
    critics: critics.bytes,
    criticTargets: criticTargets.bytes,
    inference,
    replay: replay.capacity * replay.rowLength * Float32Array.BYTES_PER_ELEMENT,
  };
}
