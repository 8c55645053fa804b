/** What callers of `train` give it: tasks, writers and callbacks of their own. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Environment } from '../../lib/envs/environment.js';
import { InvalidValueError, RunError } from '../../lib/errors.js';
import { Td3Agent } from '../../lib/td3/agent.js';
import {
  RunFolder,
  decodeSafetensors,
  evaluate,
  readJsonLines,
  train,
} from '../../lib/train/index.js';
import type { MetricWriter, TrainOptions } from '../../lib/train/index.js';
import { LinearAgent } from '../support/linear-agent.js';
import { PointEnvironment } from '../support/point-environment.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();

const spaces = { observationSize: 2, actionSize: 1, actionLow: -2, actionHigh: 1 };
const newAgent = () =>
  new Td3Agent({ ...spaces, hiddenSizes: [8], batchSize: 4, learningStarts: 10, threads: 1 });

const shortRun = (changes: Partial<TrainOptions> = {}): TrainOptions & { out: string } => ({
  env: new PointEnvironment(),
  evalEnv: new PointEnvironment(),
  agent: new LinearAgent(),
  steps: 60,
  evalInterval: 20,
  evalEpisodes: 1,
  logInterval: 10,
  checkpointInterval: 30,
  ...changes,
  out: changes.out ?? join(newFolder(), 'run'),
});

/** A task that fills the same array at every step, and changes the action that it is given. */
class ThriftyPoint extends PointEnvironment {
  readonly #observation = new Float64Array(2);

  override reset(options?: { seed?: number }): Float64Array {
    this.#observation.set(super.reset(options));
    return this.#observation;
  }

  override step(action: Float32Array) {
    const result = super.step(action);
    action.fill(7);
    this.#observation.set(result.observation);
    return { ...result, observation: this.#observation };
  }
}

describe('a task of the caller', () => {
  test('may fill one array again and again: what is learned is the same', async () => {
    const rows = async (env: Environment, changes: Partial<TrainOptions>) => {
      const agent = newAgent();
      await train(shortRun({ env, agent, ...changes }));
      return agent.replay.read(0, 60);
    };
    expect(await rows(new ThriftyPoint(), {})).toEqual(await rows(new PointEnvironment(), {}));
  });

  test.each([
    ['id', undefined, /env\.id to be the task's name but received undefined/],
    ['id', '', /env\.id to be the task's name/],
    ['observationSize', 2.5, /env\.observationSize to be a positive integer/],
    ['actionLow', [], /env\.actionLow to be an array of length 1/],
    ['actionHigh', undefined, /env\.actionHigh to be an array of length 1/],
  ])('with %s %p is refused before anything is written', async (name, value, message) => {
    const env = Object.assign(new PointEnvironment(), { [name]: value });
    const out = newFolder();
    await expect(train(shortRun({ env, evalEnv: undefined, out }))).rejects.toThrow(message);
    expect(readdirSync(out)).toEqual([]);
  });

  test('has to take the actions that the agent gives', async () => {
    const wide = Object.assign(new PointEnvironment(), { actionHigh: Float32Array.of(1.5) });
    const message = /actionHigh\[0\] to be 1\.5, as in env, but received 1/;
    await expect(train(shortRun({ env: wide, evalEnv: wide }))).rejects.toThrow(message);
    await expect(train(shortRun({ evalEnv: wide }))).rejects.toThrow(/evalEnv\.actionHigh\[0\]/);
    await expect(evaluate(new LinearAgent(), wide, { seed: 0 })).rejects.toThrow(message);
    const other = new Td3Agent({ ...newAgent().config, actionHigh: 1.5 });
    expect(() => other.loadState(newAgent().state())).toThrow(/actionHigh\[0\] of the state/);
  });
});

describe('options of train', () => {
  test.each<[Record<string, unknown>, RegExp]>([
    [{ evalIntervall: 50 }, /options of train.*evalIntervall/],
    [{ onEvaluation: 'x' }, /onEvaluation to be a function but received "x"/],
    [{ onProgress: 1 }, /onProgress to be a function/],
    [{ onStart: {} }, /onStart to be a function/],
    [{ onNotice: [] }, /onNotice to be a function/],
    [{ writers: {} }, /writers to be an array/],
    [{ writers: [{ write() {}, flush() {} }] }, /writers\[0\] to be a writer with/],
    [{ config: 3 }, /config to be an object/],
    [{ saveReplay: 'no' }, /saveReplay to be a boolean/],
    [{ keepCheckpoints: 0 }, /keepCheckpoints to be an integer from 1 to 100/],
    [{ patience: 0 }, /patience to be a positive integer/],
    [{ stopAtReturn: NaN }, /stopAtReturn to be a finite number/],
    [{ resume: '' }, /resume to be the path of a folder/],
  ])('%j are refused at once', async (changes, message) => {
    const error: unknown = await train(shortRun(changes)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InvalidValueError);
    expect((error as Error).message).toMatch(message);
  });

  test("config.json says what the run was, whatever the caller's config says", async () => {
    const config = { format: 'x', env: 'x', seed: 'x', agent: 'x', note: 'mine' };
    const { out, ...options } = shortRun({ config });
    await train({ ...options, out });
    expect(RunFolder.open(out).readConfig()).toMatchObject({
      format: 'rnm-td3-run/1',
      env: 'Point-v0',
      seed: 0,
      note: 'mine',
      agent: { sparsity: '1:4' },
    });
  });

  test('out stays where it was when the working directory changes', async () => {
    const before = process.cwd();
    try {
      process.chdir(newFolder());
      const changes = { onEvaluation: () => process.chdir('/'), checkpointInterval: 5 };
      const folder = process.cwd();
      expect(await train(shortRun({ ...changes, out: 'relative' }))).toMatchObject({ steps: 60 });
      expect(readdirSync(join(folder, 'relative'))).toContain('summary.json');
    } finally {
      process.chdir(before);
    }
  });
});

describe('what is written of an agent', () => {
  test('figures of updates are left out until there are any', async () => {
    const agent = newAgent();
    await train(shortRun({ agent }));
    const next = newAgent();
    next.loadState(agent.state());
    const { out, ...options } = shortRun({ agent: next, steps: 75, logInterval: 5 });
    await train({ ...options, out });
    const lines = readJsonLines(RunFolder.open(out).metricsPath);
    const withLoss = lines.filter((line) => 'agent/criticLoss' in line).map((line) => line['step']);
    // It gathers learningStarts transitions before it goes on learning.
    expect(withLoss).toEqual([70, 75]);
    for (const line of lines) expect(line['agent/criticLoss']).not.toBe(0);
  });

  test("a policy's file has the return of its own step, or none", async () => {
    const stop = new AbortController();
    const agent = new LinearAgent();
    const observe = agent.observe.bind(agent);
    agent.observe = (transition) => {
      observe(transition);
      if (agent.steps === 47) stop.abort();
    };
    const { out, ...options } = shortRun({ agent, signal: stop.signal });
    await train({ ...options, out });
    const { metadata } = decodeSafetensors(readFileSync(RunFolder.open(out).policyPath));
    expect(metadata['steps']).toBe('47');
    expect(metadata).not.toHaveProperty('evaluation_return');
  });

  test('moments that are infinite stop the run, which keeps its good checkpoint and the batch', async () => {
    const agent = newAgent();
    const learn = agent.learn.bind(agent);
    agent.learn = () => {
      learn();
      if (agent.updates !== 25) return;
      const moments = agent.networks.critics.read(0, 'weightMoment2', 1);
      const active = agent.networks.critics.read(0, 'mask', 1).indexOf(1);
      agent.networks.critics.write(0, 'weightMoment2', moments.with(active, Infinity), 1);
    };
    const { out, ...options } = shortRun({ agent });
    const error: unknown = await train({ ...options, out }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RunError);
    expect((error as Error).message).toMatch(
      /stopped at step 40: Expected largestMoment\/critics to be finite but received Infinity \(tensor critic2\.0\.weight\.v\[\d+\] is Infinity\)/,
    );
    const run = RunFolder.open(out);
    expect(run.readCheckpoint().checkpoint.steps).toBe(30);
    const { tensors } = decodeSafetensors(readFileSync(run.divergedBatchPath));
    expect(tensors['reward']).toMatchObject({ dtype: 'F32', shape: [4, 1] });
  });
});

describe('a writer of metrics', () => {
  const writer = (changes: Partial<MetricWriter>): MetricWriter => {
    return { write() {}, flush() {}, close() {}, ...changes };
  };

  test.each<[string, Partial<MetricWriter>]>([
    ['rejects', { write: async () => Promise.reject(new Error('network is down')) }],
    [
      'throws',
      {
        write: () => {
          throw new Error('network is down');
        },
      },
    ],
    ['cannot flush', { flush: async () => Promise.reject(new Error('network is down')) }],
  ])('that %s ends the run with an error, and the run is kept', async (_, changes) => {
    const { out, ...options } = shortRun({ writers: [writer(changes)], steps: 500 });
    const message = /Training stopped at step \d+: A writer of metrics failed: network is down/;
    await expect(train({ ...options, out })).rejects.toThrow(message);
    await expect(train({ ...shortRun(), out })).rejects.toThrow(/already holds a run/);
    expect(RunFolder.open(out).readSummary()).toMatchObject({ finished: false });
  });

  test('is waited for, and what it says at the very end is told and hides nothing', async () => {
    let sent = 0;
    const slow = writer({
      write: async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        sent++;
      },
      close: () => {
        throw new Error('cannot close');
      },
    });
    const { notices } = await train(shortRun({ writers: [slow] }));
    expect(sent).toBeGreaterThan(5);
    expect(notices).toContainEqual(expect.stringMatching(/cannot close/));
    const env = new PointEnvironment({ throwAt: 40 });
    await expect(train(shortRun({ env, writers: [slow] }))).rejects.toThrow(/motor has stopped/);
  });
});
