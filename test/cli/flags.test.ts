import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import {
  addFlags,
  checkKeys,
  describeFlagError,
  flagName,
  nameFlags,
  readConfigFile,
} from '../../lib/cli/flags.js';
import { runConfigSchema } from '../../lib/cli/train-config.js';
import { resolveRun } from '../../lib/cli/train.js';
import { listOptions } from '../../lib/options.js';

function parseFlags(...args: string[]): Record<string, unknown> {
  const command = new Command();
  addFlags(command, listOptions(runConfigSchema));
  return command.parse(args, { from: 'user' }).opts();
}

describe('flags', () => {
  test('every option but the task is a flag, under its group', () => {
    const command = new Command();
    addFlags(command, listOptions(runConfigSchema));
    const options = command.options.filter(({ negate }) => !negate);
    const flags = options.map((option) => option.attributeName());
    const keys = Object.keys(runConfigSchema.shape).filter((key) => key !== 'env');
    expect(flags.toSorted()).toEqual(keys.toSorted());
    expect(new Set(command.options.map((option) => option.helpGroupHeading))).toEqual(
      new Set(['Training:', 'TD3:', 'Sparsity:', 'Machine:']),
    );
  });

  test('names are in kebab case', () => {
    expect(flagName('hiddenSizes')).toBe('hidden-sizes');
    expect(flagName('adamBeta1')).toBe('adam-beta1');
  });

  test('keys in a text are replaced, but no part of a longer word and no plain word', () => {
    const keys = Object.keys(runConfigSchema.shape);
    expect(nameFlags('Lower learningStarts, steps or adamBeta1.', keys)).toBe(
      'Lower --learning-starts, steps or --adam-beta1.',
    );
    const others = 'myBatchSize batchSizes x.batchSize --batch-size ctrlCostWeight';
    expect(nameFlags(others, keys)).toBe(others);
  });

  test('text becomes values', () => {
    const flags = parseFlags(
      '--batch-size=64',
      '--hidden-sizes=400,300',
      '--learning-rate=3e-4',
      '--exploration-noise=0.1*exp(-t)',
      '--env-options={"a": [1]}',
      '--sparsity=2:4',
    );
    expect(flags).toEqual({
      batchSize: 64,
      hiddenSizes: [400, 300],
      learningRate: 3e-4,
      explorationNoise: '0.1*exp(-t)',
      envOptions: { a: [1] },
      sparsity: '2:4',
    });
  });

  test('text that is no number is kept for the check to complain about', async () => {
    expect(parseFlags('--batch-size', 'many')).toEqual({ batchSize: 'many' });
    await expect(resolveRun('X', { batchSize: 'many' })).rejects.toThrow(
      'Expected batchSize to be a positive integer but received "many"',
    );
    await expect(resolveRun('X', { hiddenSizes: [64, ''] })).rejects.toThrow(
      'Expected hiddenSizes[1] to be an integer from 1 to 65535 but received ""',
    );
  });

  test.each(['64,', '256x256', '[64]', ''])('%j is no list of numbers', (text) => {
    expect(() => parseFlags('--hidden-sizes', text)).toThrow(
      'Expected --hidden-sizes to be numbers with commas between them, such as 256,256, but ' +
        `received ${JSON.stringify(text)}`,
    );
  });

  test('an error about a flag says its name, one about a config file the key', () => {
    const command = new Command();
    addFlags(command, listOptions(runConfigSchema));
    command.parse(['--batch-size=-3', '--hidden-sizes=1,2'], { from: 'user' });
    const received = -3;
    const describe = (name: string, expected = 'more', remedy?: string) =>
      describeFlagError({ name, expected, received, remedy }, command);
    expect(describe('batchSize')).toBe('Expected --batch-size to be more but received -3');
    expect(describe('hiddenSizes[1]')).toMatch(/^Expected number 2 of --hidden-sizes to be more/);
    expect(describe('batchSize', 'at most bufferSize', 'Raise bufferSize')).toBe(
      'Expected --batch-size to be at most --buffer-size but received -3. Raise --buffer-size',
    );
    for (const name of ['tau', 'actionSize', 'batchSize in a.json', 'an option name']) {
      expect(describe(name)).toBeUndefined();
    }
  });

  test('every flag without a value has one that turns it off, and neither stands for a default', () => {
    const switches = listOptions(runConfigSchema).filter(({ kind }) => kind === 'flag');
    expect(switches.map(({ key }) => key)).toEqual(
      expect.arrayContaining(['overlap', 'normalizeObservations']),
    );
    for (const { key } of switches) {
      expect(parseFlags()).not.toHaveProperty(key);
      expect(parseFlags(`--${flagName(key)}`)).toMatchObject({ [key]: true });
      expect(parseFlags(`--no-${flagName(key)}`)).toMatchObject({ [key]: false });
    }
  });

  test('JSON that is none is an error', () => {
    expect(() => parseFlags('--env-options', '{a: 1}')).toThrow(
      'Expected --env-options to be valid JSON but received "{a: 1}". Put it in single quotes',
    );
  });
});

describe('config file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rnm-td3-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function write(text: string): string {
    const path = join(folder, 'config.json');
    writeFileSync(path, text);
    return path;
  }

  test('flags go before the file, the file before defaults', async () => {
    const config = write('{"env": "Hopper-v5", "batchSize": 64, "gamma": 0.9, "steps": 7}');
    const run = await resolveRun(undefined, { config, batchSize: 32 });
    expect(run).toMatchObject({
      env: 'Hopper-v5',
      batchSize: 32,
      gamma: 0.9,
      steps: 7,
      tau: 0.005,
    });
    expect(await resolveRun('Ant-v5', { config })).toMatchObject({ env: 'Ant-v5', batchSize: 64 });
  });

  test.each(['overlap', 'normalizeObservations'] as const)(
    '%s of a file can be turned off',
    async (key) => {
      const config = write(JSON.stringify({ env: 'X', [key]: true }));
      expect(await resolveRun(undefined, { config })).toMatchObject({ [key]: true });
      expect(await resolveRun(undefined, { config, [key]: false })).toMatchObject({ [key]: false });
    },
  );

  test('a byte order mark is no part of the file', async () => {
    expect(await readConfigFile(write('\ufeff{"tau": 0.5}'))).toEqual({ tau: 0.5 });
  });

  test('an unknown key is an error that names file and nearest key', async () => {
    const config = write('{"batchsiez": 64}');
    await expect(resolveRun('X', { config })).rejects.toThrow(
      `Expected an option name in ${config} to be a known one but received "batchsiez". ` +
        'Did you mean batchSize?',
    );
    expect(() => checkKeys('a.json', { tau: 1 }, ['tau'])).not.toThrow();
  });

  test("flags change what a run's config.json has derived from other options", async () => {
    const agent = {
      sparsity: '1:4',
      actorSparsity: '1:4',
      criticSparsity: '2:4',
      learningRate: 3e-4,
      actorLearningRate: 3e-4,
      criticLearningRate: 1e-4,
      maskRule: 'magnitude',
      targetMask: 'project',
    };
    const config = write(
      JSON.stringify({ format: 'rnm-td3-run/1', version: '0', env: 'X', agent }),
    );
    expect(await resolveRun(undefined, { config })).toMatchObject({ criticSparsity: '2:4' });
    const flags = { config, sparsity: '1:8', learningRate: 1e-3, maskRule: 'gradient' };
    const run = await resolveRun(undefined, flags);
    expect(run).toMatchObject({ sparsity: '1:8', criticSparsity: '2:4', criticLearningRate: 1e-4 });
    for (const key of ['actorSparsity', 'actorLearningRate', 'targetMask'] as const) {
      expect([key, run[key]]).toEqual([key, undefined]);
    }
  });

  test("an option that a run's config.json names as chosen stays, also where its value would follow", async () => {
    const agent = { sparsity: '1:4', actorSparsity: '1:4', criticSparsity: '1:4', batchSize: 8 };
    const run = { format: 'rnm-td3-run/1', env: 'X', agent, chosen: ['sparsity', 'actorSparsity'] };
    const config = write(JSON.stringify(run));
    const again = await resolveRun(undefined, { config, sparsity: '2:4' });
    expect(again).toMatchObject({ sparsity: '2:4', actorSparsity: '1:4', batchSize: 8 });
    expect(again.criticSparsity).toBeUndefined();
    expect(again.chosen.toSorted()).toEqual(['actorSparsity', 'env', 'sparsity']);
  });

  test("what a run's preset and defaults had given holds until preset or task are others", async () => {
    const agent = {
      hiddenSizes: [400, 300],
      batchSize: 100,
      learningRate: 1e-3,
      densityPower: 0.5,
    };
    const run = { format: 'rnm-td3-run/1', env: 'Hopper-v5', preset: 'task', agent };
    const config = write(JSON.stringify({ ...run, chosen: ['batchSize'] }));
    expect(await resolveRun(undefined, { config })).toMatchObject(agent);
    expect(await resolveRun('Hopper-v5', { config, preset: 'task' })).toMatchObject(agent);
    const others = [
      await resolveRun(undefined, { config, preset: 'none' }),
      await resolveRun(undefined, { config, preset: 'paper' }),
      await resolveRun('Walker2d-v5', { config }),
    ];
    const shown = others.map(({ hiddenSizes, batchSize, learningRate, densityPower }) => {
      return [hiddenSizes, batchSize, learningRate, densityPower];
    });
    expect(shown).toEqual([
      [[256, 256], 100, 3e-4, 0.5],
      [[256, 256], 100, 3e-4, 0],
      [[256, 256], 100, 1e-3, 0.5],
    ]);
  });

  test('presets come before defaults, and after flags and config files', async () => {
    const paper = { sparseLayers: 'all', densityPower: 0, learningRate: 3e-4 };
    expect(await resolveRun('X', { preset: 'paper' })).toMatchObject(paper);
    const config = write('{"learningRate": 1e-3}');
    const run = await resolveRun('X', { preset: 'paper', config, sparseLayers: 'hidden' });
    expect(run).toMatchObject({ ...paper, learningRate: 1e-3, sparseLayers: 'hidden' });
    await expect(resolveRun('X', { preset: 'best' })).rejects.toThrow(
      'Expected preset to be one of "task", "none", "paper" but received "best"',
    );
  });

  test("a run's config.json is a config file too", async () => {
    const agent = { observationSize: 3, actionLow: [-1], tau: 0.01, seed: 5 };
    const run = { format: 'rnm-td3-run/1', version: '1.2.3', env: 'Ant-v5', steps: 9, agent };
    const config = write(JSON.stringify(run));
    expect(await resolveRun(undefined, { config, seed: 6 })).toMatchObject({
      env: 'Ant-v5',
      steps: 9,
      tau: 0.01,
      seed: 6,
      batchSize: 256,
    });
  });

  test.each(['[]', '3', 'null', '"x"'])('%s is no set of options', async (text) => {
    await expect(readConfigFile(write(text))).rejects.toThrow('to be a JSON object with opt');
  });

  test('what is not JSON, or not there, is an error that names the file', async () => {
    const path = write('{"a": }');
    await expect(readConfigFile(path)).rejects.toThrow(`${path} is not valid JSON: Unexpected`);
    await expect(readConfigFile(join(folder, 'none.json'))).rejects.toThrow(
      /^Cannot read the config file: ENOENT.*none\.json.*Check the path after --config$/,
    );
  });

  test('for a folder the file in it that may be meant is named', async () => {
    await expect(readConfigFile(folder)).rejects.toThrow(
      `Cannot read the config file: ${folder} is a folder. Give a JSON file after --config`,
    );
    const path = write('{}');
    await expect(readConfigFile(folder)).rejects.toThrow(`is a folder. Did you mean ${path}?`);
  });

  test('a wrong value in the file is an error', async () => {
    await expect(resolveRun('X', { config: write('{"tau": "x"}') })).rejects.toThrow(
      'Expected tau to be a number from 0 to 1 but received "x"',
    );
  });

  test('without a task there is an error', async () => {
    await expect(resolveRun(undefined, {})).rejects.toThrow(
      /^Expected a task to learn, as in "rnm-td3 train HalfCheetah-v5", but .* Known are Ant-v5, /,
    );
  });
});
