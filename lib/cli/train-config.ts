/** Options of a training run that are not the agent's: the task, how long, how often, where to. */
import { z } from 'zod';
import { option } from '../options.js';
import { choiceInfo, hyperparameterSchema } from '../td3/config.js';
import { presetNames } from '../td3/presets.js';

function steps(least: number, value: number, description: string, placeholder = '<steps>') {
  const expected = least === 0 ? 'a non-negative integer' : 'a positive integer';
  const schema = z.int().min(least).default(value);
  return option(schema, description, { group: 'Training', expected, kind: 'number', placeholder });
}

const training = {
  env: option(z.string().min(1), 'Task to learn, e.g. HalfCheetah-v5.', {
    expected: 'the name of a task, such as "HalfCheetah-v5"',
    kind: 'text',
  }),
  envOptions: option(
    z.record(z.string(), z.unknown()).default(() => ({})),
    'Options of the task, e.g. \'{"ctrlCostWeight": 0}\'.',
    { group: 'Training', expected: 'a JSON object', kind: 'json' },
  ),
  preset: option(
    z.enum(presetNames).default('task'),
    "Values for what is not given: the task's own, or RNM-TD3 as the paper defines it.",
    choiceInfo('Training', '<name>', presetNames),
  ),
  steps: steps(1, 1_000_000, 'Environment steps to train for.'),
  evalInterval: steps(1, 5000, 'Steps between evaluations without noise.'),
  evalEpisodes: steps(1, 10, 'Episodes per evaluation.', '<episodes>'),
  logInterval: steps(1, 1000, 'Steps between logged metrics.'),
  checkpointInterval: steps(1, 10_000, 'Steps between checkpoints.'),
  keepCheckpoints: option(
    z.int().min(1).max(100).default(2),
    'Checkpoints kept; a damaged one is passed over for the one before it.',
    {
      group: 'Training',
      expected: 'an integer from 1 to 100',
      kind: 'number',
      placeholder: '<count>',
    },
  ),
  saveReplay: option(
    z.boolean().default(true),
    'Keep the replay buffer on disk, so that --resume goes on exactly.',
    { group: 'Training', expected: 'true or false', kind: 'flag' },
  ),
  stopAtReturn: option(
    z.number().optional(),
    'End at the first evaluation with at least this mean return.',
    { group: 'Training', expected: 'a number', kind: 'number', placeholder: '<return>' },
  ),
  patience: option(
    z.int().min(1).optional(),
    'End after so many evaluations in a row without a new best one.',
    {
      group: 'Training',
      expected: 'a positive integer',
      kind: 'number',
      placeholder: '<count>',
    },
  ),
  envSeed: option(z.int().min(0).optional(), "Seed of the task, if not the agent's (--seed).", {
    group: 'Training',
    expected: 'a non-negative integer',
    kind: 'number',
    placeholder: '<seed>',
  }),
  overlap: option(
    z.boolean().default(false),
    'Step the task in a worker while the update runs; actions lag one update.',
    { group: 'Training', expected: 'true or false', kind: 'flag' },
  ),
  envs: option(
    z.int().min(1).max(256).default(1),
    'Tasks that step in workers at once, one update per transition (implies --overlap).',
    {
      group: 'Training',
      expected: 'an integer from 1 to 256',
      kind: 'number',
      placeholder: '<count>',
    },
  ),
  out: option(
    z.string().min(1).optional(),
    'Run folder to write; without it, a new one in runs/.',
    { group: 'Training', expected: 'the path of a folder', kind: 'text', placeholder: '<folder>' },
  ),
};

/** Everything `rnm-td3 train` takes: as flags, and as keys of a config file. */
export const runConfigSchema = z.strictObject({ ...training, ...hyperparameterSchema.shape });

/** A run as the command line resolved it. */
export type RunConfig = z.output<typeof runConfigSchema>;
