/** `rnm-td3 eval <run>` */
import type { Command } from 'commander';
import { checkInteger } from '../errors.js';
import { formatNumber } from './format.js';
import { addMachineFlags } from './machine-flags.js';
import type { MachineFlags } from './machine-flags.js';
import type { CommandContext } from './program.js';
import { withSignals } from './signals.js';
import { paint, print, printJson } from './terminal.js';
import type { Terminal } from './terminal.js';

interface EvalFlags extends MachineFlags {
  episodes: number;
  seed: number;
  json?: boolean;
}

/** Add arguments, flags and action to the command. */
export function define(command: Command, { terminal }: CommandContext): void {
  command
    .argument('<run>', 'Run folder, as "rnm-td3 train" printed it.')
    .option('--episodes <count>', 'Episodes to run. [10]', Number, 10)
    .option('--seed <seed>', 'Seed of the episodes. [0]', Number, 0)
    .option('--json', 'Print one JSON object on standard output, and nothing else.')
    .action((run: string, flags: EvalFlags) => evaluateRun(run, flags, terminal));
  addMachineFlags(command);
}

async function evaluateRun(path: string, flags: EvalFlags, terminal: Terminal): Promise<void> {
  const { episodes, seed, json, ...machine } = flags;
  checkInteger('episodes', episodes);
  checkInteger('seed', seed, 0);
  const { loadRun } = await import('./load-run.js');
  const { makeEnv } = await import('../envs/index.js');
  const { evaluate } = await import('../train/index.js');
  const { agent, env: id, envOptions, steps } = loadRun(path, machine, terminal);
  const env = await makeEnv(id, envOptions);
  try {
    const result = await withSignals(terminal, (signal) =>
      evaluate(agent, env, { episodes, seed, signal }),
    );
    if (json === true) printJson(terminal.stdout, { env: id, steps, seed, ...result });
    else await printEvaluation(terminal, `${id} after ${formatNumber(steps)} steps`, result);
  } finally {
    env.close();
  }
}
