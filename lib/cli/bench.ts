/** `rnm-td3 bench kernels | update | speedup | gpu` */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { z } from 'zod';
import type { Peers } from '../bench/peers.js';
import type { UpdateShape } from '../bench/workload.js';
import {
  kernelsSchema,
  parseList,
  parseNetworkPatterns,
  parseShape,
  speedupSchema,
  updateSchema,
} from '../bench/bench-options.js';
import { listOptions, parseOptions } from '../options.js';
import { describeKernels, describeSpeedup, describeUpdates } from './bench-tables.js';
import { defineGpu } from './bench-gpu.js';
import { addFlags } from './flags.js';
import { listAfterError } from './program.js';
import type { CommandContext } from './program.js';
import { saveResults } from './save-results.js';
import { withSignals } from './signals.js';
import { paint, print, printJson } from './terminal.js';
import type { Output, Terminal } from './terminal.js';

/** Flags that all benchmarks have besides their options. */
interface CommonFlags {
  json?: boolean;
  out?: string;
}

interface PeerFlags extends CommonFlags {
  peers?: boolean;
  python?: string;
}

const footer = `
Candidates take turns, so that what slows the machine down hits all of them. Slots in which other
processes used more than 5% of a core are left out; where too few remain, the result says so.`;

/** Add the benchmarks as commands of `bench`. */
export function define(command: Command, { terminal }: CommandContext): void {
  const add = (name: string, description: string, schema: z.ZodObject) => {
    const sub = command.command(name).description(description).addHelpText('after', footer);
    sub.option('--json', 'Print JSON lines on standard output, and nothing else.');
    sub.option('--out <folder>', 'Write the results there as well.');
    addFlags(sub, listOptions(schema));
    return sub;
  };
  const addPeers = (sub: Command) =>
    sub
      .option('--peers', 'Measure PyTorch and JAX too, where a Python has them.')
      .option('--python <program>', 'The Python to ask. [$RNM_PYTHON | python3 | python]');

  const kernels = 'Time every kernel, and hold it against what this machine can do at best.';
  add('kernels', kernels, kernelsSchema).action((flags: CommonFlags) =>
    runKernels(flags, terminal),
  );
  addPeers(
    add('update', 'Time whole TD3 updates, and show where the time goes.', updateSchema),
  ).action((flags: PeerFlags) => runUpdate(flags, terminal));
  addPeers(
    add('speedup', 'What do I gain here? Dense against sparse, by width.', speedupSchema),
  ).action((flags: PeerFlags) => runSpeedup(flags, terminal));
  defineGpu(command, terminal);
  listAfterError(command, 'Benchmarks');
}

async function runKernels(flags: CommonFlags, terminal: Terminal): Promise<void> {
  const { json, out, ...given } = flags;
  const options = parseOptions(kernelsSchema, given);
  const { availableIsas } = await import('../device/index.js');
  const { benchKernels } = await import('../bench/kernels.js');
  const { findBlasPeers } = await import('../bench/blas-peers.js');
  const blas = findBlasPeers();
  tell(terminal.stderr, [
    ...blas.peers.map(({ library, path }) => `${library}: ${path}`),
    ...blas.notes,
  ]);
  const cores = availableParallelism();
  const bench = await withSignals((signal) =>
    benchKernels({
      ...(options.kernels === undefined ? {} : { kernels: parseList(options.kernels) }),
      shapes: parseList(options.shapes).map((text) => ({
        ...parseShape(text),
        batch: options.batch,
      })),
      patterns: parseList(options.patterns),
      isas:
        options.isa === undefined
          ? availableIsas().filter((isa) => isa !== 'plain')
          : parseList(options.isa),
      threads: options.threads ?? [...new Set([1, cores])],
      blas: blas.peers,
      budgetSeconds: options.budget,
      signal,
      onResults: (results, done, of) => {
        if (json === true) for (const result of results) printJson(terminal.stdout, result);
        else
          tell(terminal.stderr, [
            `${done} of ${of}: ${results[0]?.kernel ?? 'nothing to measure'}`,
          ]);
      },
    }),
  );
  const text = describeKernels(bench, terminal.stdout);
  if (json === true) for (const peak of bench.peaks) printJson(terminal.stdout, { peak });
  else print(terminal.stdout, text);
  save(out, { 'kernels.json': JSON.stringify(bench, null, 1), 'kernels.txt': text });
}

async function runUpdate(flags: PeerFlags, terminal: Terminal): Promise<void> {
  const { json, out, peers: withPeers, python, ...given } = flags;
  const { sparsity, rounds, budget, isa, ...rest } = parseOptions(updateSchema, given);
  const shape = { ...rest, threads: rest.threads || availableParallelism() };
  const { benchUpdates } = await import('../bench/update.js');
  const peers = withPeers === true ? await launchPeers(shape, python, terminal.stderr) : undefined;
  tell(terminal.stderr, peers?.notes ?? []);
  try {
    const bench = await withSignals((signal) =>
      benchUpdates(shape, parseNetworkPatterns(sparsity), {
        rounds,
        budgetSeconds: budget,
        signal,
        peers: peers?.candidates ?? [],
        ...(isa === undefined ? {} : { isa }),
      }),
    );
    const text = describeUpdates(bench, terminal.stdout);
    const { results, ...about } = bench;
    const lines = results.map((result) => ({ ...result, ...about }));
    if (json === true) for (const line of lines) printJson(terminal.stdout, line);
    else print(terminal.stdout, text);
    save(out, { 'update.json': JSON.stringify(bench, null, 1), 'update.txt': text });
  } finally {
    peers?.close();
  }
}

async function runSpeedup(flags: PeerFlags, terminal: Terminal): Promise<void> {
  const { json, out, peers: withPeers, python, ...given } = flags;
  const options = parseOptions(speedupSchema, given);
  const { env, widths, patterns, rounds, budget, ...rest } = options;
  const shape = { ...rest, threads: rest.threads || availableParallelism() };
  const { benchSpeedup } = await import('../bench/speedup.js');
  const { renderSpeedup } = await import('../bench/speedup-plot.js');
  const bench = await withSignals((signal) =>
    benchSpeedup({
      env,
      shape,
      widths,
      patterns: parseNetworkPatterns(patterns).filter((pattern) => pattern !== 'dense'),
      budgetSeconds: budget,
      rounds,
      signal,
      onWidth: (width) => tell(terminal.stderr, [`Width ${width}`]),
      ...(withPeers === true
        ? { peers: (full: UpdateShape) => launchPeers(full, python, terminal.stderr) }
        : {}),
    }),
  );
  const text = describeSpeedup(bench, terminal.stdout);
  if (json === true) printJson(terminal.stdout, bench);
  else print(terminal.stdout, text);
  if (out === undefined) return;
  const { svg, png } = await renderSpeedup(bench);
  save(out, {
    'speedup.json': JSON.stringify(bench, null, 1),
    'speedup.txt': text,
    'speedup.svg': svg,
    'speedup.png': png,
  });
  if (json !== true) print(terminal.stdout, `\nPicture  ${join(out, 'speedup.png')}`);
}

async function launchPeers(
  shape: UpdateShape,
  python: string | undefined,
  stderr: Output,
): Promise<Peers> {
  const { startPeers } = await import('../bench/peers.js');
  const onStart = (library: string) =>
    tell(stderr, [`${library}: compiling; this may take minutes`]);
  return startPeers({ shape, python, onStart });
}

/** What a reader may want to know meanwhile; never among the results. */
function tell(stderr: Output, lines: readonly string[]): void {
  for (const line of lines) print(stderr, paint(stderr, 'dim', line));
}

function save(folder: string | undefined, files: Record<string, string | Uint8Array>): void {
  if (folder !== undefined) saveResults(folder, files);
}
