/** What `bench gpu` prints for people. */
import type { GpuBench } from '../bench/gpu/gpu-bench.js';
import type { LayerKernel, LayerResult } from '../bench/gpu/layers.js';
import type { Told } from '../bench/gpu/sparse-modes.js';
import type { ActLatency, GpuUpdateResult } from '../bench/gpu/updates.js';
import { interval, numeric, percent, times } from './bench-tables.js';
import { sparseLayers } from '../td3/pattern.js';
import { formatNumber } from './format.js';
import { formatTable } from './table.js';
import type { Column } from './table.js';
import { paint } from './terminal.js';
import type { Output } from './terminal.js';

const kernelNames: Record<LayerKernel, string> = {
  forward: 'Forward',
  dataGradient: 'Data gradient',
  weightGradient: 'Weight gradient',
  adam: 'Adam and refresh',
};

/** The tables of `bench gpu`. */
export function describeGpu(bench: GpuBench, output: Output): string {
  const { machine, layers, updates, notes } = bench;
  const warning = 'EMULATED: these figures say that the benchmark runs, nothing about speed.';
  const disturbed = [...layers.results, ...updates.updates].filter(({ quiet }) => !quiet).length;
  return [
    ...(bench.meaningful ? [] : [paint(output, 'red', warning), '']),
    machine.description,
    ...layers.peaks.map(({ precision, tflops, width, batch }) => {
      const rate = `${formatNumber(tflops, 1)} TFLOP/s`;
      return `Dense peak in ${precision}: ${rate} (${width} x ${width}, batch ${batch})`;
    }),
    '',
    'One layer, microseconds and times as fast as dense:',
    '',
    layerTable(layers.results, output),
    '',
    `Whole TD3 updates (sparse layers: ${sparseLayers[0]}), and times as fast as dense networks in the same type:`,
    '',
    updateTable(updates.updates, output),
    '',
    'Of an update: what compressed copies of the weights add, and all of Adam and Polyak averaging:',
    '',
    refreshTable(bench, output),
    '',
    'One action, from JavaScript to JavaScript:',
    '',
    actTable(updates.act, output),
    ...[...layers.omitted, ...updates.omitted].map(({ what, why }) => `Left out: ${what}: ${why}`),
    ...notes,
    ...(disturbed === 0 ? [] : [`Other processes were busy during ${disturbed} measurements.`]),
  ].join('\n');
}

/** What the device was told, in short. */
function sparseOf(told: Told): string {
  const { sparse, dataGradient, weightGradient } = told;
  if (sparse === null) return '-';
  if (weightGradient === 'sampled') return 'weight gradient';
  return dataGradient === 'dense' ? sparse : `${sparse}, ${dataGradient}`;
}

function layerTable(results: readonly LayerResult[], output: Output): string {
  const columns: Column[] = [
    { title: 'Kernel' },
    { title: 'Type' },
    { title: 'Width, batch' },
    { title: 'Weights' },
    { title: 'Sparse' },
    ...['µs', 'p10', 'p90', 'useful TFLOP/s', 'dense TFLOP/s', 'of peak', 'over dense', '95%'].map(
      numeric,
    ),
  ];
  const rows = results.map((result) => [
    kernelNames[result.kernel],
    result.precision,
    `${result.width}, ${result.batch}`,
    result.name,
    sparseOf(result),
    ...[result.microseconds, result.p10, result.p90].map((value) => formatNumber(value, 1)),
    formatNumber(result.usefulTflops, 1),
    formatNumber(result.denseTflops, 1),
    percent(result.ofPeak),
    times(result.overDense?.ratio ?? null),
    result.overDense === null ? '-' : interval(result.overDense),
  ]);
  return formatTable(output, columns, rows);
}

const graphsOf = (graphs: boolean | null): string =>
  graphs === null ? '-' : graphs ? 'graphs' : 'eager';

function updateTable(results: readonly GpuUpdateResult[], output: Output): string {
  const columns: Column[] = [
    { title: 'Width, batch' },
    { title: 'Type' },
    { title: 'Networks' },
    { title: 'Sparse' },
    { title: 'Calls' },
    ...['updates/s', 'p10', 'p90', 'over dense', '95%', 'MiB'].map(numeric),
  ];
  const rows = results.map((result) => [
    `${result.width}, ${result.batch}`,
    result.precision,
    result.name,
    sparseOf(result),
    graphsOf(result.graphs),
    ...[result.updatesPerSecond, result.p10, result.p90].map((value) => formatNumber(value)),
    times(result.overDense.ratio),
    interval(result.overDense),
    result.networkBytes === null ? '-' : formatNumber(result.networkBytes / 2 ** 20, 1),
  ]);
  return formatTable(output, columns, rows);
}

function refreshTable({ updates }: GpuBench, output: Output): string {
  const columns: Column[] = [
    { title: 'Width, batch' },
    { title: 'Type' },
    { title: 'Pattern' },
    { title: 'Data gradient' },
    ...['µs with', 'µs without', 'added', 'all'].map(numeric),
  ];
  const rows = updates.refresh.map((cost) => [
    `${cost.width}, ${cost.batch}`,
    cost.precision,
    cost.pattern,
    cost.dataGradient ?? '-',
    formatNumber(cost.microsecondsWith, 1),
    formatNumber(cost.microsecondsWithout, 1),
    percent(cost.share),
    percent(cost.shareOfAll),
  ]);
  return formatTable(output, columns, rows);
}

function actTable(results: readonly ActLatency[], output: Output): string {
  const columns: Column[] = [
    { title: 'Width' },
    { title: 'Device' },
    { title: 'Type' },
    { title: 'Network' },
    { title: 'Calls' },
    ...['µs', 'p10', 'p90'].map(numeric),
  ];
  const rows = results.map((result) => [
    String(result.width),
    result.device,
    result.precision,
    result.name,
    graphsOf(result.graphs),
    ...[result.microseconds, result.p10, result.p90].map((value) => formatNumber(value, 1)),
  ]);
  return formatTable(output, columns, rows);
}
