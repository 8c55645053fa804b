/** Kernels one by one: their speed, and how near it comes to what this machine can do. */
import { Device, loadAddon } from '../device/index.js';
import type { BlasLibrary, BlasPeer } from './blas-peers.js';
import { kernelFamilies } from './kernel-problems.js';
import type { KernelFamily, KernelShape, Problem } from './kernel-problems.js';
import { ratioOfTimes, takeTurns } from './pairing.js';
import type { Candidate, Timing, TurnOptions } from './pairing.js';

/** One kernel on one shape, under one pattern, with one instruction set and number of threads. */
export interface KernelResult extends KernelShape {
  kernel: string;
  /** N:M, "dense", or "-" where there are no weights. */
  pattern: string;
  isa: string;
  threads: number;
  /** Microseconds a call: median, p10 and p90 over slots of many calls. */
  microseconds: number;
  p10: number;
  p90: number;
  /** 1e9 operations a second that the pattern leaves, and as if weights were dense. */
  gflops: number | null;
  denseGflops: number | null;
  /** Of the measured peak of multiply-adds with this instruction set and threads. */
  ofPeak: number | null;
  /** 1e9 bytes a second that have to be moved at least, and as a share of the L2's measured rate. */
  gigabytes: number;
  ofL2: number;
  /** How many times as fast as our dense kernel, and as the libraries' dense products. */
  vsDense: number | null;
  vsOpenblas: number | null;
  vsOnednn: number | null;
  quiet: boolean;
}

/** What this machine can do at best, measured in the same run. */
export interface Peak {
  isa: string;
  threads: number;
  gflops: number;
  l2Gigabytes: number;
}

export interface KernelBenchOptions {
  /** Names of families; default: all. */
  kernels?: readonly string[];
  shapes: readonly KernelShape[];
  patterns: readonly string[];
  isas: readonly string[];
  threads: readonly number[];
  /** Libraries to compare with. */
  blas?: readonly BlasPeer[];
  /** Seconds for everything. */
  budgetSeconds: number;
  signal?: AbortSignal | undefined;
  /** Called after every group of results that was measured in turns. */
  onResults?: (results: KernelResult[], done: number, of: number) => void;
}

export interface KernelBench {
  peaks: Peak[];
  results: KernelResult[];
}

/** A kernel on a shape: patterns and libraries take turns. */
interface Group {
  family: KernelFamily;
  shape: KernelShape;
}

/** Seconds that each of the two peaks is looked for. */
const peakSeconds = 0.1;

/** Short slots: a kernel takes microseconds. */
const slotSeconds = 0.05;
const rounds = 5;

export async function benchKernels(options: KernelBenchOptions): Promise<KernelBench> {
  const groups = listGroups(options);
  const settings = options.isas.flatMap((isa) =>
    options.threads.map((threads) => ({ isa, threads })),
  );
  const of = groups.length * settings.length;
  const turns: TurnOptions = {
    rounds,
    slotSeconds,
    budgetSeconds: options.budgetSeconds / of,
    signal: options.signal,
  };
  const bench: KernelBench = { peaks: [], results: [] };
  let done = 0;
  for (const { isa, threads } of settings) {
    const peak = measurePeak(isa, threads);
    bench.peaks.push(peak);
    for (const group of groups) {
      const results = await measureGroup(group, peak, options, turns);
      bench.results.push(...results);
      options.onResults?.(results, ++done, of);
    }
  }
  return bench;
}

/** Families without weights run once for each batch size, on the first shape that has it. */
function listGroups({ kernels, shapes }: KernelBenchOptions): Group[] {
  const families = kernelFamilies.filter(({ name }) => kernels?.includes(name) ?? true);
  return families.flatMap((family) => {
    const seen = new Set<number>();
    const isNew = ({ batch }: KernelShape) => !seen.has(batch) && seen.add(batch) !== undefined;
    const used = family.patterns === 'none' ? shapes.filter(isNew) : shapes;
    return used.map((shape) => ({ family, shape }));
  });
}

/** What this machine can do at best with an instruction set on so many threads. */
export function measurePeak(isa: string, threads: number, seconds = peakSeconds): Peak {
  const { flops, l2BytesPerSecond } = loadAddon().addon.machinePeak(isa, threads, seconds);
  return { isa, threads, gflops: flops / 1e9, l2Gigabytes: l2BytesPerSecond / 1e9 };
}

async function measureGroup(
  { family, shape }: Group,
  peak: Peak,
  options: KernelBenchOptions,
  turns: TurnOptions,
): Promise<KernelResult[]> {
  const { isa, threads } = peak;
  const device = new Device({ device: 'cpu', threads, isa });
  try {
    const patterns = patternsOf(family, options.patterns);
    const problems = patterns.map((pattern) => family.make(device, shape, pattern));
    const ours = problems.map((problem, i) => repeat(patterns[i] ?? '', problem.run));
    const { product } = family;
    const libraries = product === undefined ? [] : (options.blas ?? []);
    const theirs = libraries.map(({ library, run }): Candidate => {
      return { name: library, run: (calls) => run(product!(shape), threads, calls) };
    });
    const timings = await takeTurns([...ours, ...theirs], turns);
    return problems.map((problem, i) => {
      const timing = timings[i]!;
      const common = { kernel: family.name, ...shape, pattern: timing.name, isa, threads };
      return { ...common, ...figures(problem, timing, peak), ...ratios(timing, timings) };
    });
  } finally {
    device.close();
  }
}

function patternsOf({ patterns }: KernelFamily, wanted: readonly string[]): readonly string[] {
  if (patterns === 'none') return ['-'];
  return patterns === 'sparse' ? wanted.filter((pattern) => pattern !== 'dense') : wanted;
}

function repeat(name: string, call: () => void): Candidate {
  const run = (calls: number) => {
    for (let i = 0; i < calls; i++) call();
  };
  return { name, run };
}

function figures({ flops, denseFlops, bytes }: Problem, timing: Timing, peak: Peak) {
  const perSecond = (amount: number | null) =>
    amount === null ? null : amount / timing.median / 1e9;
  const gflops = perSecond(flops);
  const gigabytes = bytes / timing.median / 1e9;
  return {
    microseconds: 1e6 * timing.median,
    p10: 1e6 * timing.p10,
    p90: 1e6 * timing.p90,
    gflops,
    denseGflops: perSecond(denseFlops),
    ofPeak: gflops === null ? null : gflops / peak.gflops,
    gigabytes,
    ofL2: gigabytes / peak.l2Gigabytes,
    quiet: timing.quiet,
  };
}

function ratios(timing: Timing, timings: readonly Timing[]) {
  const versus = (name: 'dense' | BlasLibrary) => {
    const other = timings.find((candidate) => candidate.name === name);
    return other === undefined ? null : ratioOfTimes(other, timing).ratio;
  };
  return {
    vsDense: versus('dense'),
    vsOpenblas: versus('openblas'),
    vsOnednn: versus('onednn'),
  };
}
