/** `rnm-td3 bench gpu` */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { gpuSchema, gpuSettings, quickOptions } from '../bench/gpu/gpu-options.js';
import { listOptions, parseOptions } from '../options.js';
import { describeGpu } from './bench-gpu-tables.js';
import { addFlags } from './flags.js';
import { saveResults } from './save-results.js';
import { withSignals } from './signals.js';
import { paint, print, printJson } from './terminal.js';
import type { Terminal } from './terminal.js';

interface GpuFlags {
  json?: boolean;
  out?: string;
  quick?: boolean;
  peers?: boolean;
  python?: string;
}

/** The file that has everything; docs/gpu.md says what is in it. */
const resultName = 'gpu-bench.json';

/** Add the command to `bench`. */
export function defineGpu(bench: Command, terminal: Terminal): void {
  const command = bench
    .command('gpu')
    .description('Time layers and whole updates on a GPU, sparse against dense.')
    .option('--json', 'Print the result as one JSON object, and nothing else.')
    .option('--out <folder>', `Write ${resultName} there. [a new folder for temporary files]`)
    .option('--quick', 'A minute or two: fewer types, patterns and shapes.')
    .option('--peers', 'Measure PyTorch too, where a Python has it with CUDA.')
    .option('--python <program>', 'The Python to ask. [$RNM_PYTHON | python3 | python]');
  addFlags(command, listOptions(gpuSchema));
  command.action((flags: GpuFlags) => runGpu(flags, terminal));
}

async function runGpu(flags: GpuFlags, terminal: Terminal): Promise<void> {
  const { json, out, quick, peers, python, ...given } = flags;
  const options = parseOptions(gpuSchema, { ...(quick === true ? quickOptions : {}), ...given });
  const { benchGpu } = await import('../bench/gpu/gpu-bench.js');
  const onGroup = (text: string) => print(terminal.stderr, paint(terminal.stderr, 'dim', text));
  const bench = await withSignals((signal) =>
    benchGpu({ settings: gpuSettings(options), peers: peers === true, python, signal, onGroup }),
  );
  if (json === true) printJson(terminal.stdout, bench);
  else print(terminal.stdout, describeGpu(bench, terminal.stdout));
  const folder = out ?? mkdtempSync(join(tmpdir(), 'rnm-td3-bench-'));
  saveResults(folder, { [resultName]: JSON.stringify(bench, null, 1) });
  const line = `Result  ${join(folder, resultName)}`;
  print(json === true ? terminal.stderr : terminal.stdout, `\n${line}`);
}
