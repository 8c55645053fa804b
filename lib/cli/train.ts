/** `rnm-td3 train <env>` */
import type { Command } from 'commander';
import { listOptions, parseOptions } from '../options.js';
import { addFlags, readConfigFile } from './flags.js';
import type { CommandContext } from './program.js';
import { runConfigSchema } from './train-config.js';
import type { RunConfig } from './train-config.js';

interface TrainFlags extends Record<string, unknown> {
  config?: string;
  json?: boolean;
}

/** Add arguments, flags and action to the command. */
export function define(command: Command, context: CommandContext): void {
  command
    .argument('[env]', 'Task to learn, e.g. HalfCheetah-v5; "rnm-td3 info" lists all.')
    .option('-c, --config <file>', 'JSON file with any of the options below; flags win.')
    .option('--json', 'Print JSON lines on standard output, and nothing else.')
    .action(async (env: string | undefined, flags: TrainFlags) => {
      console.log(await resolveRun(env, flags));
      context.exit(0);
    });
  addFlags(command, listOptions(runConfigSchema));
}

/** Flags go before the config file, the config file before defaults. */
export async function resolveRun(env: string | undefined, flags: TrainFlags): Promise<RunConfig> {
  const { config: path, json: _, ...given } = flags;
  const known = Object.keys(runConfigSchema.shape);
  const file = path === undefined ? {} : await readConfigFile(path, known);
  return parseOptions(runConfigSchema, { ...file, ...given, ...(env !== undefined && { env }) });
}
