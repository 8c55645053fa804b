/** `rnm-td3 train <env>` */
import { join } from 'node:path';
import type { Command } from 'commander';
import { InvalidValueError, invalidValue } from '../errors.js';
import { readNumbers } from '../json.js';
import { listOptions, parseOptions } from '../options.js';
import {
  agentConfigSchema,
  checkMasks,
  compileSchedules,
  derivedDefaults,
  hyperparameterSchema,
} from '../td3/config.js';
import type { HyperparameterOptions } from '../td3/config.js';
import { findPreset } from '../td3/presets.js';
import type { PresetName } from '../td3/presets.js';
import { runFormat } from '../train/describe-run.js';
import type { TrainResult } from '../train/index.js';
import { addFlags, checkKeys, readConfigFile } from './flags.js';
import type { CommandContext } from './program.js';
import { interruptedExitCode, withSignals } from './signals.js';
import { runConfigSchema } from './train-config.js';
import type { RunConfig } from './train-config.js';
import type { TrainReport } from './train-report.js';

interface TrainFlags extends Record<string, unknown> {
  config?: string;
  resume?: string;
  json?: boolean;
}

const footer = `
In brackets: the default, then what else there is. An expression is one of the step t, such as
"0.2 * exp(-t / 2e5)". Noise of 1 half action range is 1 for actions from -1 to 1.

Examples:
  $ rnm-td3 train HalfCheetah-v5 --sparsity 1:4 --steps 100000
  $ rnm-td3 train Hopper-v5 --sparsity 2:4 --actor-sparsity dense --seed 1 --out runs/hopper
  $ rnm-td3 train --resume runs/hopper --steps 2000000
  $ rnm-td3 train Ant-v5 --exploration-noise "max(0.05, 0.2 * exp(-t / 2e5))"`;

/** Add arguments, flags and action to the command. */
export function define(command: Command, { terminal, exit }: CommandContext): void {
  command
    .argument('[env]', 'Task to learn, e.g. HalfCheetah-v5; "rnm-td3 info" lists all.')
    .option(
      '-c, --config <file>',
      "JSON file with any of the options below, or a run's; flags win.",
    )
    .option(
      '-r, --resume <folder>',
      'Run folder to go on with, exactly where its newest checkpoint is; its own options hold.',
    )
    .option('--json', 'Print JSON lines on standard output, and nothing else.')
    .addHelpText('after', footer)
    .action(async (env: string | undefined, flags: TrainFlags) => {
      const config = await resolveRun(env, flags);
      const { jsonReport, plainReport } = await import('./train-report.js');
      const report = flags.json === true ? jsonReport(terminal) : plainReport(terminal);
      const { interrupted } = await runTraining(config, report, flags.resume);
      if (interrupted) exit(interruptedExitCode);
    });
  addFlags(command, listOptions(runConfigSchema));
}

/** A run with the names of the options that were given, by flag or file: others may follow these. */
export type ResolvedRun = RunConfig & { chosen: string[] };

/** Flags go before the config file, the config file before the preset, the preset before defaults. */
export async function resolveRun(env: string | undefined, flags: TrainFlags): Promise<ResolvedRun> {
  const { config: path, resume, json: _, ...given } = flags;
  checkSources(path, resume, given);
  const source = resume === undefined ? path : join(resume, 'config.json');
  const file = source === undefined ? { chosen: {} } : await readOptions(source);
  const named = env === undefined ? {} : { env };
  const config: Record<string, unknown> = { ...file.chosen, ...given, ...named };
  if (config['env'] === undefined) throw await missingTask();
  const { preset, env: task } = parseOptions(runConfigSchema, config);
  const rest = file.settled?.(preset, task) ?? findPreset(preset, task)?.options;
  const resolved = parseOptions(runConfigSchema, { ...rest, ...config });
  checkMasks(resolved);
  checkSchedules(resolved);
  return { ...resolved, chosen: Object.keys(config).filter((key) => config[key] !== undefined) };
}

/** A run that goes on has its folder and its options. */
function checkSources(
  config: string | undefined,
  resume: string | undefined,
  given: Readonly<Record<string, unknown>>,
): void {
  if (resume === undefined) return;
  const remedy = 'A run that is resumed has its own folder and options';
  if (config !== undefined)
    throw invalidValue('--config', 'left out with --resume', config, remedy);
  if (given['out'] !== undefined) {
    throw invalidValue('out', 'left out with --resume', given['out'], remedy);
  }
}

async function missingTask(): Promise<InvalidValueError> {
  const { environmentIds } = await import('../envs/index.js');
  return new InvalidValueError(
    'Expected a task to learn, as in "rnm-td3 train HalfCheetah-v5", but received none. ' +
      `Known are ${environmentIds().join(', ')}`,
  );
}

/** What a config file says. */
interface FileOptions {
  /** Options that somebody chose. */
  chosen: Record<string, unknown>;
  /** Values that other options had in the run that the file is of; none if its preset or its task was another. */
  settled?: (preset: PresetName, env: string) => Record<string, unknown> | undefined;
}

/** Options from a config file, or from the config.json of a run, to do it again. */
async function readOptions(path: string): Promise<FileOptions> {
  const config = await readConfigFile(path);
  if ('format' in config) return optionsOfRun(path, readNumbers(config));
  checkKeys(path, config, Object.keys(runConfigSchema.shape));
  return { chosen: config };
}

/**
 * The options in a run's config.json, without what describes the file, what the task prescribes, and what follows
 * from other options, which flags may change.
 */
function optionsOfRun(path: string, config: Record<string, unknown>): FileOptions {
  const { format, version: _, agent, chosen: names, seed: envSeed, ...run } = config;
  if (format !== runFormat) {
    const remedy = 'Leave it out of a file with options of your own';
    throw invalidValue(`format in ${path}`, `"${runFormat}"`, format, remedy);
  }
  if (typeof agent !== 'object' || agent === null || Array.isArray(agent)) {
    throw invalidValue(`agent in ${path}`, "an object with the agent's options", agent);
  }
  if (names !== undefined && !(Array.isArray(names) && names.every((n) => typeof n === 'string'))) {
    throw invalidValue(`chosen in ${path}`, 'a list of names of options', names);
  }
  checkKeys(path, run, Object.keys(runConfigSchema.shape));
  checkKeys(`${path}, agent`, agent, Object.keys(agentConfigSchema.shape));
  const derived: Record<string, unknown> = derivedDefaults(agent);
  const isChosen = ([key, value]: [string, unknown]): boolean =>
    names === undefined ? value !== derived[key] : names.includes(key);
  const options = Object.entries(agent).filter(([key]) => key in hyperparameterSchema.shape);
  // A run of the API may have a seed for each.
  const seeds = envSeed === (agent as { seed?: unknown }).seed ? {} : { envSeed };
  return {
    chosen: { ...run, ...seeds, ...Object.fromEntries(options.filter(isChosen)) },
    settled: (preset, env) =>
      preset === (run['preset'] ?? 'task') && env === run['env']
        ? Object.fromEntries(options.filter(([key]) => !(key in derived)))
        : undefined,
  };
}

/** Try the schedules all along the run: better now than when one goes wrong after hours. */
function checkSchedules(config: RunConfig): void {
  const probes = 1000;
  for (const schedule of Object.values(compileSchedules(config))) {
    if (schedule.constant) continue;
    for (let i = 0; i <= probes; i++) schedule.at(Math.round((i / probes) * config.steps));
  }
}

/** About what a worker with a MuJoCo task of its own takes. */
const workerBytes = 60e6;

async function runTraining(
  config: ResolvedRun,
  report: TrainReport,
  resume: string | undefined,
): Promise<TrainResult> {
  const { makeEnv, WorkerEnvironment } = await import('../envs/index.js');
  const { Td3Agent } = await import('../td3/agent.js');
  const { train } = await import('../train/index.js');
  const { batchNeed, checkMemory, replayNeed } = await import('../td3/memory.js');
  const { envOptions, steps, seed, envSeed = seed, out, overlap, envs, preset, chosen } = config;
  const { evalInterval, evalEpisodes, logInterval, checkpointInterval } = config;
  const { keepCheckpoints, saveReplay, stopAtReturn, patience } = config;
  const workers = overlap || envs > 1 ? envs : 0;
  checkMemory([{ what: 'tasks in workers (envs)', bytes: workers * workerBytes }]);
  const overlapped = await Promise.all(
    Array.from({ length: workers }, () => WorkerEnvironment.create(config.env, envOptions)),
  );
  const env = await makeEnv(config.env, envOptions);
  const evalEnv = await makeEnv(config.env, envOptions);
  const { observationSize, actionSize, actionLow, actionHigh } = env;
  const spaces = { observationSize, actionSize, actionLow, actionHigh };
  const agent = new Td3Agent({ ...spaces, ...hyperparametersOf(config) });
  const run = (signal: AbortSignal): Promise<TrainResult> =>
    train({
      env,
      overlapped,
      evalEnv,
      agent,
      steps,
      seed: envSeed,
      out,
      resume,
      evalInterval,
      evalEpisodes,
      logInterval,
      checkpointInterval,
      keepCheckpoints,
      saveReplay,
      stopAtReturn,
      patience,
      config: { envOptions, overlap, envs, preset, chosen },
      signal,
      onStart: () => report.start(config, agent),
      onNotice: (text) => report.notice(text),
      onProgress: (progress) => report.progress(progress),
      onEvaluation: (record) => report.evaluation(record),
    });
  try {
    if (agent.device.info.name === 'cpu') {
      const filled = Math.min(agent.config.bufferSize, steps);
      checkMemory([batchNeed(agent.config), replayNeed(filled, agent.config)]);
    }
    const result = await withSignals(run, () => report.stopping());
    report.end(result);
    return result;
  } finally {
    report.close();
    agent.close();
    for (const each of [...overlapped, evalEnv, env]) each.close();
  }
}

function hyperparametersOf(config: RunConfig): HyperparameterOptions {
  const keys = Object.keys(hyperparameterSchema.shape) as (keyof HyperparameterOptions)[];
  return Object.fromEntries(keys.map((key) => [key, config[key]]));
}
