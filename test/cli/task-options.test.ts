/** A run says what its task was made with, and everything that reads it makes the same task again. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { Environment } from '../../lib/envs/environment.js';
import { makeEnv, registerEnvironment } from '../../lib/envs/index.js';
import { Td3Agent } from '../../lib/td3/agent.js';
import { train } from '../../lib/train/index.js';
import type { TrainOptions } from '../../lib/train/index.js';
import { WorkerEnvironment } from '../../dist/index.js';
import { PointEnvironment } from '../support/point-environment.js';
import { temporaryFolders } from '../support/temporary-folder.js';
import { runCommand } from './support.js';

const makeFolder = temporaryFolders();
const closeables: { close(): void }[] = [];
afterAll(() => closeables.forEach((each) => each.close()));

interface RunConfig extends Record<string, unknown> {
  envOptions: Record<string, unknown>;
}

function configOf(out: string): RunConfig {
  return JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as RunConfig;
}

/** Train for a moment. */
async function shortRun(env: Environment, options: Partial<TrainOptions> = {}) {
  const { observationSize, actionSize, actionLow, actionHigh } = env;
  const spaces = { observationSize, actionSize, actionLow, actionHigh };
  const sizes = { hiddenSizes: [8], batchSize: 8, learningStarts: 20, threads: 1 };
  const agent = new Td3Agent({ ...spaces, ...sizes });
  closeables.push(env, agent);
  const out = join(makeFolder(), 'run');
  const result = await train({ env, agent, steps: 40, evalEpisodes: 1, out, ...options });
  return { out, result, config: configOf(out) };
}

/** Lengths of the episodes of `eval`. */
async function evaluatedLengths(out: string): Promise<number[]> {
  const { code, out: text, err } = await runCommand('eval', out, '--episodes', '1', '--json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return (JSON.parse(text) as { lengths: number[] }).lengths;
}

const options = { maxEpisodeSteps: 50, frameSkip: 1, resetNoiseScale: 0.1 };

describe('a run of the API', () => {
  test('is evaluated with the options of its task, and can be done again', async () => {
    const { out, result, config } = await shortRun(await makeEnv('HalfCheetah-v5', options));
    // The third is the default.
    expect(config).toMatchObject({ overlap: false, envs: 1 });
    expect(config.envOptions).toEqual({ maxEpisodeSteps: 50, frameSkip: 1 });
    expect(result.finalEvaluation?.lengths).toEqual([50]);
    expect(await evaluatedLengths(out)).toEqual([50]);
    const again = join(makeFolder(), 'again');
    const source = join(out, 'config.json');
    expect(await runCommand('train', '--config', source, '--out', again)).toMatchObject({
      code: 0,
    });
    // Who chose what is another matter: a rerun names all that it was given.
    const { chosen } = configOf(again);
    expect(configOf(again)).toEqual({ ...config, preset: 'task', chosen });
    expect(readFileSync(join(again, 'policy.safetensors'))).toEqual(
      readFileSync(join(out, 'policy.safetensors')),
    );
    const longer = await runCommand('train', '--resume', out, '--steps', '60', '--json');
    expect(longer).toMatchObject({ code: 0 });
  });

  test('with environments in workers says that too', async () => {
    const overlapped = await Promise.all(
      [0, 1].map(() => WorkerEnvironment.create('Hopper-v5', options)),
    );
    closeables.push(...overlapped);
    expect(overlapped[0]?.givenOptions).toEqual({
      maxEpisodeSteps: 50,
      frameSkip: 1,
      resetNoiseScale: 0.1,
    });
    const evalEnv = await makeEnv('Hopper-v5', options);
    closeables.push(evalEnv);
    const { config } = await shortRun(overlapped[0] as Environment, { overlapped, evalEnv });
    expect(config).toMatchObject({ overlap: true, envs: 2, envOptions: { frameSkip: 1 } });
  });

  test("of one's own task has what makeEnv was given, or what the task says", async () => {
    registerEnvironment('Point-v0', () => new PointEnvironment());
    const { config } = await shortRun(
      await makeEnv('Point-v0', { far: Infinity, list: [-0, 'x'] }),
    );
    expect(config.envOptions).toEqual({ far: 'Infinity', list: ['-0', 'x'] });
    const said = Object.assign(new PointEnvironment(), { givenOptions: { far: 3 } });
    expect((await shortRun(said)).config.envOptions).toEqual({ far: 3 });
    expect((await shortRun(new PointEnvironment())).config.envOptions).toEqual({});
  });

  test("has the caller's word before all others", async () => {
    const env = Object.assign(new PointEnvironment(), { givenOptions: { call: () => 1 } });
    const config = { envOptions: { far: 2 }, overlap: true, envs: undefined };
    const run = await shortRun(env, { config });
    expect(run.config).toMatchObject({ envOptions: { far: 2 }, overlap: true, envs: 1 });
    await expect(shortRun(env)).rejects.toThrow(
      /the options of Point-v0\.call to be data that JSON can hold .* as config\.envOptions/,
    );
  });
});

describe('an infinite end of a range', () => {
  const range = '{"healthyZRange":[0.5,1e999],"healthyStateRange":["-Infinity",100]}';

  test('is kept through eval, a rerun and --resume', async () => {
    const out = join(makeFolder(), 'run');
    const sizes = ['--hidden-sizes', '8', '--batch-size', '8', '--learning-starts', '20'];
    const length = ['--steps', '40', '--eval-episodes', '1', '--threads', '1'];
    const task = ['train', 'Hopper-v5', '--env-options', range];
    expect(await runCommand(...task, ...sizes, ...length, '--out', out)).toMatchObject({ code: 0 });
    const { envOptions } = configOf(out);
    expect(envOptions).toEqual({
      healthyZRange: [0.5, 'Infinity'],
      healthyStateRange: ['-Infinity', 100],
    });
    expect(await evaluatedLengths(out)).toHaveLength(1);
    const again = join(makeFolder(), 'again');
    const rerun = ['train', '--config', join(out, 'config.json'), '--out', again];
    expect(await runCommand(...rerun)).toMatchObject({ code: 0 });
    expect(configOf(again).envOptions).toEqual(envOptions);
    const resumed = await runCommand('train', '--resume', out, '--steps', '50');
    expect(resumed).toMatchObject({ code: 0 });
    const other = JSON.stringify({ healthyZRange: [0.5, 2] });
    const differs = ['train', '--resume', out, '--steps', '60', '--env-options', other];
    const refused = await runCommand(...differs);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('[0.5,"Infinity"]');
  });

  test('holds in train() and in the environment', async () => {
    const env = await makeEnv('Hopper-v5', { healthyAngleRange: [-Infinity, Infinity] });
    const { out, config } = await shortRun(env);
    expect(config.envOptions).toEqual({ healthyAngleRange: ['-Infinity', 'Infinity'] });
    expect(await evaluatedLengths(out)).toHaveLength(1);
    await expect(makeEnv('Hopper-v5', { healthyZRange: [0, NaN] })).rejects.toThrow(/two numbers/);
    await expect(makeEnv('Hopper-v5', { healthyZRange: [0, 'all'] as never })).rejects.toThrow(
      /two numbers/,
    );
  });
});
