/** What the benchmarks print for people. */
import { phases } from '../bench/agent-calls.js';
import type { KernelBench, KernelResult } from '../bench/kernels.js';
import type { Speedup, SpeedupPoint } from '../bench/speedup.js';
import type { PairedRatio } from '../bench/statistics.js';
import type { UpdateBench, UpdatePart } from '../bench/update.js';
import type { UpdateShape } from '../bench/workload.js';
import { sparseLayers } from '../td3/pattern.js';
import { formatNumber } from './format.js';
import { formatTable } from './table.js';
import type { Column } from './table.js';
import { paint } from './terminal.js';
import type { Output } from './terminal.js';

export const numeric = (title: string): Column => ({ title, numeric: true });
export const percent = (share: number | null): string =>
  share === null ? '-' : `${formatNumber(100 * share, share < 0.0995 ? 1 : 0)}%`;
export const times = (ratio: number | null): string =>
  ratio === null ? '-' : `${formatNumber(ratio, 2)}x`;
export const interval = ({ low, high }: PairedRatio): string =>
  `${formatNumber(low, 2)}-${formatNumber(high, 2)}`;

/** Names of an update's parts. */
const partNames: Record<UpdatePart, string> = {
  sample: 'Gather the batch',
  targetActor: 'Target actor',
  smoothing: 'Smoothing',
  targetCritics: 'Target critics',
  criticForward: 'Critics, forward',
  criticLoss: 'TD target, loss gradient',
  criticBackward: 'Critics, backward',
  criticAdam: 'Critics, Adam',
  actorForward: 'Actor, forward',
  policyValue: "Critic of the actor's action",
  actionGradient: 'Gradient of the action',
  actorBackward: 'Actor, backward',
  actorAdam: 'Actor, Adam',
  polyak: 'Polyak averaging',
  masks: 'Mask updates',
  betweenCalls: 'Between the calls',
};

/** Which layers have a single pattern. */
function describeLayers({
  sparseLayers: layers = sparseLayers[0],
}: Pick<UpdateShape, 'sparseLayers'>): string {
  return `Sparse layers of N:M networks: ${layers}`;
}

/** The tables of `bench update`. */
export function describeUpdates(bench: UpdateBench, output: Output): string {
  const { shape, isa, threads, results } = bench;
  const { obs, act, hidden, batch, gradientRule } = shape;
  const title =
    `TD3 updates: observations ${obs}, actions ${act}, hidden ${hidden} x 2, batch ${batch}, ` +
    `${gradientRule}, ${isa}, ${threads} threads\n${describeLayers(shape)}`;
  return [
    title,
    '',
    updateTable(bench, output),
    '',
    'Where the time goes, in ms an update:',
    '',
    breakdownTable(bench, output),
    '',
    ...results.map(({ sparsity, crossing }) => {
      const { callsPerUpdate, microsecondsPerCall, share } = crossing;
      return (
        `${sparsity}: ${formatNumber(callsPerUpdate, 1)} calls into native code an update, ` +
        `${formatNumber(microsecondsPerCall, 2)} µs each to cross: ${percent(share)}`
      );
    }),
    ...quietness([...results, ...bench.peers], bench.othersCores, output),
  ].join('\n');
}

function updateTable({ results, peers }: UpdateBench, output: Output): string {
  const [first] = results;
  const rows = [
    ...results.map((result) => {
      const { networks, inference } = result.memoryBytes;
      return [
        result.sparsity,
        ...rateCells(result),
        formatNumber(networks / 2 ** 20, 2),
        percent(networks / (first?.memoryBytes.networks ?? NaN)),
        percent(inference / (first?.memoryBytes.inference ?? NaN)),
      ];
    }),
    ...peers.map((peer) => [peer.name, ...rateCells(peer), '', '', '']),
  ];
  const columns = [
    { title: 'Networks' },
    numeric('ms/update'),
    numeric('p10'),
    numeric('p90'),
    numeric('updates/s'),
    numeric(`over ${first?.sparsity ?? 'the first'}`),
    numeric('95%'),
    numeric('MiB'),
    numeric('training'),
    numeric('inference'),
  ];
  return formatTable(output, columns, rows);
}

function rateCells(rate: { msPerUpdate: number; p10: number; p90: number; speedup: PairedRatio }) {
  const { msPerUpdate, p10, p90, speedup } = rate;
  return [
    formatNumber(msPerUpdate, 3),
    formatNumber(p10, 3),
    formatNumber(p90, 3),
    formatNumber(1e3 / msPerUpdate),
    times(speedup.ratio),
    interval(speedup),
  ];
}

function breakdownTable({ results }: UpdateBench, output: Output): string {
  const parts: UpdatePart[] = [...phases, 'betweenCalls'];
  const columns = [{ title: 'Part' }, ...results.map(({ sparsity }) => numeric(sparsity))];
  const rows = parts.map((part) => [
    partNames[part],
    ...results.map(({ breakdown }) => formatNumber(breakdown[part], 4)),
  ]);
  rows.push(['Sum', ...results.map(({ msPerUpdate }) => formatNumber(msPerUpdate, 4))]);
  return formatTable(output, columns, rows);
}

/** The tables of `bench speedup`. */
export function describeSpeedup(speedup: Speedup, output: Output): string {
  const { env, shape, updates, trainingSteps, notes, othersCores } = speedup;
  const { batch, threads, gradientRule } = shape;
  return [
    `${env}, two hidden layers, batch ${batch}, ${gradientRule}, ${threads} threads`,
    describeLayers(shape),
    '',
    `Updates a second, and times as fast as dense:`,
    '',
    widthTable(updates, output),
    '',
    `Training steps a second on ${env}, everything included, and times as fast as dense:`,
    '',
    widthTable(trainingSteps, output),
    ...notes,
    ...quietness([...updates, ...trainingSteps], othersCores, output),
  ].join('\n');
}

function widthTable(points: readonly SpeedupPoint[], output: Output): string {
  const widths = [...new Set(points.map(({ width }) => width))];
  const names = [...new Set(points.map(({ name }) => name))];
  const columns = [{ title: 'Networks' }, ...widths.map((width) => numeric(`width ${width}`))];
  const rows = names.map((name) => [
    name,
    ...widths.map((width) => {
      const point = points.find((other) => other.name === name && other.width === width);
      if (point === undefined) return '-';
      const digits = point.perSecond < 100 ? 1 : 0;
      return `${formatNumber(point.perSecond, digits)}  ${times(point.ratio)} (${interval(point)})`;
    }),
  ]);
  return formatTable(output, columns, rows);
}

/** The tables of `bench kernels`. */
export function describeKernels({ peaks, results }: KernelBench, output: Output): string {
  const peakColumns = [
    { title: 'Measured peak' },
    numeric('threads'),
    numeric('GFLOP/s'),
    numeric('L2 GB/s'),
  ];
  const peakRows = peaks.map(({ isa, threads, gflops, l2Gigabytes }) => [
    isa,
    String(threads),
    formatNumber(gflops),
    formatNumber(l2Gigabytes),
  ]);
  return [
    formatTable(output, peakColumns, peakRows),
    '',
    formatTable(output, kernelColumns, results.map(kernelRow)),
    ...quietness(results, null, output),
  ].join('\n');
}

const kernelColumns: Column[] = [
  { title: 'Kernel' },
  { title: 'Shape' },
  { title: 'Pattern' },
  { title: 'ISA' },
  numeric('threads'),
  numeric('µs'),
  numeric('p10'),
  numeric('p90'),
  numeric('GFLOP/s'),
  numeric('dense GFLOP/s'),
  numeric('of peak'),
  numeric('GB/s'),
  numeric('of L2'),
  numeric('dense'),
  numeric('OpenBLAS'),
  numeric('oneDNN'),
];

function kernelRow(result: KernelResult): string[] {
  return [
    result.kernel,
    `${result.inputs}x${result.outputs}, ${result.batch}`,
    result.pattern,
    result.isa,
    String(result.threads),
    formatNumber(result.microseconds, 1),
    formatNumber(result.p10, 1),
    formatNumber(result.p90, 1),
    formatNumber(result.gflops, 1),
    formatNumber(result.denseGflops, 1),
    percent(result.ofPeak),
    formatNumber(result.gigabytes, 1),
    percent(result.ofL2),
    times(result.vsDense),
    times(result.vsOpenblas),
    times(result.vsOnednn),
  ];
}

/** A warning where other processes disturbed the measurement. */
function quietness(
  results: readonly { quiet: boolean }[],
  othersCores: number | null,
  output: Output,
): string[] {
  const disturbed = results.filter(({ quiet }) => !quiet).length;
  if (disturbed === 0) return [];
  const busy = othersCores === null ? '' : ` (${formatNumber(othersCores, 2)} cores in the median)`;
  const text =
    `${disturbed} of ${results.length} results had too few quiet slots: other processes used the ` +
    `machine meanwhile${busy}. Ratios may hold, times do not.`;
  return ['', paint(output, 'red', text)];
}
