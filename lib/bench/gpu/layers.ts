/** Single layers on a GPU: their passes and Adam, sparse and dense, by width, batch and type. */
import { Device } from '../../device/index.js';
import type { Precision } from '../../device/index.js';
import { activeWeights } from '../kernel-problems.js';
import { takeTurns } from '../pairing.js';
import type { Candidate, Timing } from '../pairing.js';
import { pairedRatio, summarize } from '../statistics.js';
import type { PairedRatio } from '../statistics.js';
import { eachGroup, tryTo } from './each-group.js';
import type { GroupOptions, Omission } from './each-group.js';
import type { GpuBenchSettings, GpuShape } from './gpu-options.js';
import { depthOf, makePasses, passNames } from './layer-network.js';
import type { PassName, Passes } from './layer-network.js';
import { callsPerGraph, warmUp } from './repeated-calls.js';
import {
  choicesOf,
  describeMode,
  maskedDense,
  maskShapeOf,
  modesOf,
  patternsOf,
  untold,
} from './sparse-modes.js';
import type { ModeChoice, SparseMode, Told } from './sparse-modes.js';

/** What of a layer is timed; `adam` contains writing every copy of the weights that products read. */
export const layerKernels = ['forward', 'dataGradient', 'weightGradient', 'adam'] as const;
export type LayerKernel = (typeof layerKernels)[number];

/** A kernel of one layer [width, width] on a batch. */
export interface LayerResult extends GpuShape, Told {
  kernel: LayerKernel;
  precision: Precision;
  /** "dense", N:M, or what a peer calls itself. */
  name: string;
  /** Median, p10 and p90; null where the layer is too short to tell from its surroundings. */
  microseconds: number | null;
  p10: number | null;
  p90: number | null;
  /** 1e12 operations a second that the pattern leaves, and as if weights were dense; null for Adam. */
  usefulTflops: number | null;
  denseTflops: number | null;
  /** `denseTflops` over the measured peak of dense products in this type; sparse ones may be above 1. */
  ofPeak: number | null;
  /** How many times as fast as our dense layer, with a 95% interval. */
  overDense: PairedRatio | null;
  /** Whether other processes left the machine alone. */
  quiet: boolean;
}

/** The largest dense product's rate: what others are held against. */
export interface DensePeak extends GpuShape {
  precision: Precision;
  tflops: number | null;
}

export interface LayerBench {
  peaks: DensePeak[];
  results: LayerResult[];
  /** What devices chose for the layers. */
  choices: ModeChoice[];
  omitted: Omission[];
}

export interface LayerBenchOptions extends GroupOptions {
  settings: GpuBenchSettings;
  /** Forward products of others at a shape; they take part in bf16. */
  peers?: (shape: GpuShape, seconds: number) => Promise<{ candidates: Candidate[]; close(): void }>;
}

/** Everything of one type and shape: what takes turns. */
interface Group extends GpuShape {
  precision: Precision;
}

/** A network among the candidates of a group. */
interface Member {
  name: string;
  /** Null for dense layers. */
  mode: SparseMode | null;
  passes: Passes;
}

/** Of the time, for one type. */
const peakShare = 0.02;

const turns = { rounds: 5, slotSeconds: 0.01, quietShare: 1 };

export async function benchLayers(options: LayerBenchOptions): Promise<LayerBench> {
  const { settings, budget } = options;
  const bench: LayerBench = { peaks: [], results: [], choices: [], omitted: [] };
  for (const precision of settings.precisions) {
    await tryTo(bench.omitted, `peak of ${precision}`, async () => {
      bench.peaks.push(await measurePeak(precision, settings, budget.left * peakShare));
    });
  }
  await eachGroup(
    listGroups(settings),
    ({ width, batch, precision }) => `layers ${width}x${batch} in ${precision}`,
    options,
    bench.omitted,
    (group, seconds) => measureGroup(group, seconds, options, bench),
  );
  return bench;
}

/** Square ones first: if time runs out, those at the rim are missing. */
function listGroups({ precisions, widths, batches }: GpuBenchSettings): Group[] {
  const far = ({ width, batch }: Group) => Math.abs(Math.log2(width / batch));
  const all = precisions.flatMap((precision) =>
    widths.flatMap((width) => batches.map((batch) => ({ precision, width, batch }))),
  );
  return all.toSorted((a, b) => far(a) - far(b));
}

async function measurePeak(
  precision: Precision,
  settings: GpuBenchSettings,
  budgetSeconds: number,
): Promise<DensePeak> {
  const shape = { width: Math.max(...settings.widths), batch: Math.max(...settings.batches) };
  const device = new Device({ device: settings.device, precision });
  try {
    const depth = depthOf(shape.width);
    const [thin, full] = [0, depth].map((layers) => makePasses(device, shape, layers, 'dense'));
    const candidates = [thin!.forward, full!.forward];
    await warmUp(candidates);
    const [without, with_] = await takeTurns(candidates, { ...turns, budgetSeconds });
    const seconds = layerSeconds(with_!, without!, depth);
    return { ...shape, precision, tflops: rate(2 * shape.batch * shape.width ** 2, seconds) };
  } finally {
    device.close();
  }
}

async function measureGroup(
  group: Group,
  seconds: number,
  options: LayerBenchOptions,
  bench: LayerBench,
): Promise<void> {
  const devices: Device[] = [];
  // Setting networks and peers up takes its time too.
  const budget = seconds / 2;
  const peers = group.precision === 'bf16' ? await options.peers?.(group, budget) : undefined;
  try {
    const { thin, members } = await makeMembers(group, options.settings, devices, bench);
    const theirs = peers?.candidates ?? [];
    const turns = { budgetSeconds: budget, signal: options.signal };
    const { timed, others } = await timeMembers([thin, ...members], theirs, turns);
    const [without, dense] = timed;
    const peak = bench.peaks.find(({ precision }) => precision === group.precision)?.tflops ?? null;
    members.forEach((member, i) => {
      const compared = { timed: timed[i + 1]!, dense: dense!, without: without! };
      for (const kernel of layerKernels) {
        bench.results.push(describe(group, kernel, member, compared, peak));
      }
    });
    for (const timing of others) {
      bench.results.push(describePeer(group, timing, dense!, without!, peak));
    }
  } finally {
    peers?.close();
    for (const device of devices) device.close();
  }
}

/** Networks with dense layers first, then with every pattern; and one without such layers. */
async function makeMembers(
  group: Group,
  settings: GpuBenchSettings,
  devices: Device[],
  bench: LayerBench,
): Promise<{ thin: Member; members: Member[] }> {
  const { width, batch, precision } = group;
  const open = (mode: SparseMode): Device => {
    devices.push(new Device({ device: settings.device, precision, ...mode }));
    return devices.at(-1)!;
  };
  const make = (device: Device, depth: number, name: string, mode: SparseMode | null): Member => {
    const maskShape = maskShapeOf(mode?.dataGradient ?? 'dense');
    return { name, mode, passes: makePasses(device, group, depth, name, maskShape) };
  };
  const plain = open(maskedDense);
  const thin = make(plain, 0, 'dense', null);
  const members = [make(plain, depthOf(width), 'dense', null)];
  for (const mode of modesOf[precision]) {
    const device = open(mode);
    for (const name of patternsOf(mode, settings.patterns)) {
      const what = `${name}, ${describeMode(mode)}, ${width}x${batch} in ${precision}`;
      await tryTo(bench.omitted, what, async () => {
        members.push(make(device, depthOf(width), name, mode));
      });
    }
    bench.choices.push(...choicesOf(device, mode));
  }
  return { thin, members };
}

/** All passes of all networks take turns. */
async function timeMembers(
  members: readonly Member[],
  peers: readonly Candidate[],
  options: { budgetSeconds: number; signal: AbortSignal | undefined },
): Promise<{ timed: Timed[]; others: Timing[] }> {
  const ours = members.flatMap(({ passes }) => passNames.map((pass) => passes[pass]));
  await warmUp(ours);
  const timings = await takeTurns([...ours, ...peers], { ...turns, ...options });
  const timed = members.map((_, i) => {
    const own = timings.slice(i * passNames.length, (i + 1) * passNames.length);
    return Object.fromEntries(passNames.map((pass, j) => [pass, own[j]!])) as Timed;
  });
  return { timed, others: timings.slice(ours.length) };
}

type Timed = Record<PassName, Timing>;

/** Seconds of one layer in each round: of a network with `depth` of them, less one with none. */
function layerSeconds(full: Timing, thin: Timing, depth: number): number[] {
  return full.slots.map(({ seconds }, i) => {
    return (seconds - (thin.slots[i]?.seconds ?? NaN)) / callsPerGraph / depth;
  });
}

/** A kernel of one layer; weight gradients are what all gradients take more than data gradients. */
function kernelSeconds(kernel: LayerKernel, timed: Timed, without: Timed, depth: number): number[] {
  const of = (pass: PassName) => layerSeconds(timed[pass], without[pass], depth);
  if (kernel === 'forward') return of('forward');
  if (kernel === 'adam') return of('adam');
  const data = of('dataGradients');
  if (kernel === 'dataGradient') return data;
  return of('allGradients').map((seconds, i) => seconds - (data[i] ?? NaN));
}

/** 1e12 a second; null where the time is not above 0. */
function rate(flops: number, seconds: readonly number[]): number | null {
  const { median } = summarize(seconds);
  return median > 0 ? flops / median / 1e12 : null;
}

function times(seconds: readonly number[]) {
  const { median, p10, p90 } = summarize(seconds);
  if (!(median > 0)) return { microseconds: null, p10: null, p90: null };
  return { microseconds: 1e6 * median, p10: 1e6 * p10, p90: 1e6 * p90 };
}

function ratio(dense: readonly number[], other: readonly number[]): PairedRatio | null {
  // Where a difference of times came out at 0 or below there is nothing to compare.
  if (![...dense, ...other].every((seconds) => seconds > 0)) return null;
  return pairedRatio(dense, other);
}

function describe(
  { width, batch, precision }: Group,
  kernel: LayerKernel,
  { name, mode }: Member,
  { timed, dense, without }: Record<'timed' | 'dense' | 'without', Timed>,
  peak: number | null,
): LayerResult {
  const depth = depthOf(width);
  const seconds = kernelSeconds(kernel, timed, without, depth);
  const active = activeWeights({ inputs: width, outputs: width, batch }, name);
  const isProduct = kernel !== 'adam';
  const denseTflops = isProduct ? rate(2 * batch * width ** 2, seconds) : null;
  return {
    kernel,
    width,
    batch,
    precision,
    name,
    ...(mode ?? untold),
    ...times(seconds),
    usefulTflops: isProduct ? rate(2 * batch * active, seconds) : null,
    denseTflops,
    ofPeak: ofPeak(denseTflops, peak),
    overDense: ratio(kernelSeconds(kernel, dense, without, depth), seconds),
    quiet: timed.forward.quiet,
  };
}

/** A peer's unit is one forward product of the layer, bias and ReLU included. */
function describePeer(
  { width, batch, precision }: Group,
  timing: Timing,
  dense: Timed,
  without: Timed,
  peak: number | null,
): LayerResult {
  const seconds = timing.slots.map((slot) => slot.seconds);
  const denseTflops = rate(2 * batch * width ** 2, seconds);
  return {
    kernel: 'forward',
    width,
    batch,
    precision,
    name: timing.name,
    ...untold,
    ...times(seconds),
    usefulTflops: null,
    denseTflops,
    ofPeak: ofPeak(denseTflops, peak),
    overDense: ratio(kernelSeconds('forward', dense, without, depthOf(width)), seconds),
    quiet: timing.quiet,
  };
}

function ofPeak(tflops: number | null, peak: number | null): number | null {
  return tflops === null || peak === null ? null : tflops / peak;
}
