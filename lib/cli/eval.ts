/** `rnm-td3 eval <run>` */
import type { Command } from 'commander';
import { z } from 'zod';
import { listOptions, option, parseOptions } from '../options.js';
import { machineOptions } from '../td3/config.js';
import type { Evaluation } from '../train/index.js';
import { addFlags } from './flags.js';
import { formatNumber } from './format.js';
import type { CommandContext } from './program.js';
import { withSignals } from './signals.js';
import { formatTable } from './table.js';
import { paint, print, printJson } from './terminal.js';
import type { Terminal } from './terminal.js';

const schema = z.strictObject({
  best: option(z.boolean().default(false), 'The agent of the best evaluation, not the last.', {
    group: 'Evaluation',
    expected: 'true or false',
    kind: 'flag',
  }),
  episodes: option(z.int().min(1).default(10), 'Episodes to run.', {
    group: 'Evaluation',
    expected: 'a positive integer',
    kind: 'number',
    placeholder: '<count>',
  }),
  seed: option(z.int().min(0).default(0), 'Seed that the episodes are drawn from.', {
    group: 'Evaluation',
    expected: 'a non-negative integer',
    kind: 'number',
    placeholder: '<seed>',
  }),
  ...machineOptions,
});

/** Add arguments, flags and action to the command. */
export function define(command: Command, { terminal }: CommandContext): void {
  command
    .argument('<run>', 'Run folder, as "rnm-td3 train" printed it.')
    .option('--json', 'Print one JSON object on standard output, and nothing else.')
    .action(async (run: string, { json, ...flags }: { json?: boolean }) => {
      await evaluateRun(run, parseOptions(schema, flags), json === true, terminal);
    });
  addFlags(command, listOptions(schema));
}

async function evaluateRun(
  path: string,
  { best, episodes, seed, ...machine }: z.output<typeof schema>,
  json: boolean,
  terminal: Terminal,
): Promise<void> {
  const { loadRun } = await import('./load-run.js');
  const { makeEnv } = await import('../envs/index.js');
  const { evaluate } = await import('../train/index.js');
  const { agent, env: id, envOptions, steps } = loadRun(path, machine, terminal, { best });
  const env = await makeEnv(id, envOptions);
  try {
    const result = await withSignals((signal) => evaluate(agent, env, { episodes, seed, signal }));
    if (json) printJson(terminal.stdout, { run: path, env: id, steps, seed, ...result });
    else printEvaluation(terminal, `${id} after ${formatNumber(steps)} steps of training`, result);
  } finally {
    agent.close();
    env.close();
  }
}

function printEvaluation({ stdout }: Terminal, title: string, result: Evaluation): void {
  const columns = ['Episode', 'Return', 'Steps'].map((name) => ({ title: name, numeric: true }));
  const rows = result.returns.map((value, i) => [
    String(i + 1),
    formatNumber(value, 1),
    formatNumber(result.lengths[i]),
  ]);
  print(stdout, `${title}\n\n${formatTable(stdout, columns, rows)}\n`);
  const mean = `${formatNumber(result.mean, 1)} ± ${formatNumber(result.std, 1)}`;
  const range = `from ${formatNumber(result.min, 1)} to ${formatNumber(result.max, 1)}`;
  print(stdout, `Mean return ${paint(stdout, 'bold', mean)}, ${range}`);
}
