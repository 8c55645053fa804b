import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { InvalidValueError, RunError } from '../../lib/errors.js';
import { RunFolder, decodeSafetensors, readJsonLines, train } from '../../lib/train/index.js';
import type {
  EvaluationRecord,
  MetricRecord,
  TrainOptions,
  TrainProgress,
} from '../../lib/train/index.js';
import { evaluationsLeft } from '../../lib/train/session.js';
import { LinearAgent } from '../support/linear-agent.js';
import { PointEnvironment } from '../support/point-environment.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();

/** A short run in a folder of its own. */
function shortRun(changes: Partial<TrainOptions> = {}): TrainOptions & { out: string } {
  return {
    env: new PointEnvironment(),
    evalEnv: new PointEnvironment(),
    agent: new LinearAgent(),
    steps: 200,
    evalInterval: 50,
    evalEpisodes: 3,
    logInterval: 20,
    checkpointInterval: 80,
    seed: 3,
    ...changes,
    out: changes.out ?? join(newFolder(), 'run'),
  };
}

/** Its updates take time. */
class SlowAgent extends LinearAgent {
  static readonly seconds = 0.005;

  override learn(): void {
    super.learn();
    const end = performance.now() + 1000 * SlowAgent.seconds;
    while (performance.now() < end);
  }
}

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true }).map(String).toSorted();

describe('train', () => {
  test('steps, learns after warm-up, and keeps terminations and truncations apart', async () => {
    const agent = new LinearAgent({ learningStarts: 30 });
    const env = new PointEnvironment();
    await train(shortRun({ agent, env, steps: 300 }));
    expect(agent.steps).toBe(300);
    expect(env.steps).toBe(300);
    // The update that follows transition number 30 is the first.
    expect(agent.updates).toBe(271);
    const ends = agent.transitions.filter((t) => t.terminated || t.truncated);
    expect(ends.some((t) => t.truncated && !t.terminated)).toBe(true);
    agent.transitions.forEach((transition, i) => {
      const next = agent.transitions[i + 1];
      if (next === undefined) return;
      const continues = !transition.terminated && !transition.truncated;
      expect(isDeepStrictEqual(next.observation, transition.nextObservation)).toBe(continues);
    });
  });

  test('writes everything that a run folder holds', async () => {
    const options = shortRun({ config: { envOptions: { x: 1 } } });
    const result = await train(options);
    const files = filesOf(options.out).filter((file) => !file.startsWith('tb/'));
    expect(files).toEqual([
      'best',
      'best/checkpoint.safetensors',
      'best/policy.safetensors',
      'checkpoints',
      'checkpoints/latest.safetensors',
      'checkpoints/previous.safetensors',
      'config.json',
      'learning-curve.png',
      'learning-curve.svg',
      'metrics.jsonl',
      'policy.safetensors',
      'summary.json',
      'tb',
    ]);
    const run = RunFolder.open(options.out);
    expect(run.readConfig()).toMatchObject({
      env: 'Point-v0',
      steps: 200,
      seed: 3,
      evalInterval: 50,
      envOptions: { x: 1 },
      agent: { sparsity: '1:4', learningStarts: 10 },
    });
    expect(run.readSummary()).toEqual(JSON.parse(JSON.stringify(result)));
    expect(result).toMatchObject({ steps: 200, updates: 191, finished: true, interrupted: false });
    expect(run.readCheckpoint().checkpoint).toMatchObject({ steps: 200, updates: 191 });
    expect(readFileSync(run.curvePngPath).subarray(1, 4).toString()).toBe('PNG');
    expect(readFileSync(run.curveSvgPath, 'utf8')).toContain('Point-v0, 1:4, seed 3');
    const policy = decodeSafetensors(readFileSync(run.policyPath));
    expect(policy.metadata).toMatchObject({
      format: 'pt',
      env: 'Point-v0',
      steps: '200',
      action_low: '[-2]',
      evaluation_return: String(result.finalEvaluation?.mean),
    });
  });

  test('evaluates every evalInterval steps and once at the end', async () => {
    const seen: EvaluationRecord[] = [];
    const options = shortRun({ steps: 120, onEvaluation: (record) => seen.push(record) });
    const result = await train(options);
    expect(result.evaluations.map(({ step }) => step)).toEqual([50, 100, 120]);
    expect(seen).toEqual(result.evaluations);
    expect(result.finalEvaluation).toBe(result.evaluations[2]);
    for (const record of result.evaluations) {
      expect(record.returns).toHaveLength(3);
      expect(record.trainSeconds).toBeLessThan(record.wallSeconds);
    }
    // Every evaluation of a run starts its episodes in the same states.
    const { seeds } = options.evalEnv as PointEnvironment;
    expect(seeds).toHaveLength(9);
    expect(seeds.slice(3, 6)).toEqual(seeds.slice(0, 3));
    expect(new Set(seeds).size).toBe(3);
  });

  test('metrics go to metrics.jsonl and to further writers, with rising steps', async () => {
    const records: MetricRecord[] = [];
    const calls: string[] = [];
    const writer = {
      write: (record: MetricRecord) => void records.push(record),
      flush: () => void calls.push('flush'),
      close: () => void calls.push('close'),
    };
    const options = shortRun({ writers: [writer] });
    await train(options);
    const lines = readJsonLines(RunFolder.open(options.out).metricsPath);
    expect(lines).toEqual(records.map(({ values, ...rest }) => ({ ...rest, ...values })));
    const training = lines.filter((line) => 'speed/stepsPerSecond' in line);
    expect(training.map((line) => line['step'])).toEqual(
      Array.from({ length: 10 }, (_, i) => 20 * (i + 1)),
    );
    expect(training.at(-1)).toMatchObject({
      'density/actor': 0.25,
      'agent/criticLoss': expect.any(Number),
      'train/returnMean': expect.any(Number),
      'train/episodeLength': expect.any(Number),
    });
    const evaluations = lines.filter((line) => 'eval/returnMean' in line);
    expect(evaluations.map((line) => line['step'])).toEqual([50, 100, 150, 200]);
    expect(calls.at(-1)).toBe('close');
  });

  test('the same seeds give the same run, bit for bit; others do not', async () => {
    const runs = [3, 3, 4].map(async (seed) => {
      const options = shortRun({ seed, onProgress: () => undefined });
      const { evaluations } = await train(options);
      const { actions } = options.agent as LinearAgent;
      const returns = evaluations.map((record) => record.returns);
      return { actions, returns, policy: readFileSync(join(options.out, 'policy.safetensors')) };
    });
    const [first, second, other] = await Promise.all(runs);
    expect(second).toEqual(first);
    expect(other?.actions).not.toEqual(first?.actions);
  });

  test('without an environment for evaluations, each cuts an episode short', async () => {
    const returns = new Set<number | undefined>();
    const { evalEnv: _, ...options } = shortRun({ logInterval: 1 });
    options.writers = [
      { write: ({ values }) => returns.add(values['train/returnLast']), flush() {}, close() {} },
    ];
    const result = await train(options);
    expect(result.evaluations).toHaveLength(4);

    // An episode counts with all its rewards and no others, from its reset to its end.
    const agent = options.agent as LinearAgent;
    const whole: number[] = [];
    let total = 0;
    agent.transitions.forEach((transition, i) => {
      const cut = i > 0 && i % 50 === 0;
      if (cut) expect(transition.observation).not.toBe(agent.transitions[i - 1]?.nextObservation);
      total = (cut ? 0 : total) + transition.reward;
      if (!transition.terminated && !transition.truncated) return;
      whole.push(total);
      total = 0;
    });
    expect(result.episodes).toBe(whole.length);
    returns.delete(undefined);
    expect([...returns]).toEqual(whole);

    // After each evaluation (3 seeds) training goes on from a seed not used before.
    const { seeds } = options.env as PointEnvironment;
    expect(seeds).toHaveLength(1 + 4 * (3 + 1));
    const training = seeds.filter((_seed, i) => i % 4 === 0);
    expect(new Set(training).size).toBe(5);
  });

  test('a restored agent goes on from its own step count', async () => {
    const first = shortRun({ steps: 100 });
    await train(first);
    const agent = new LinearAgent();
    agent.loadState(RunFolder.open(first.out).readCheckpoint().checkpoint.state);
    expect(agent.steps).toBe(100);
    const result = await train(shortRun({ agent, steps: 160 }));
    expect(result.steps).toBe(160);
    expect(agent.actions).toHaveLength(60);
  });

  test('reports progress while it runs', async () => {
    const seen: TrainProgress[] = [];
    const agent = new LinearAgent({ learningStarts: 1000 });
    await train(shortRun({ agent, steps: 3000, onProgress: (progress) => seen.push(progress) }));
    expect(new Set(seen.map(({ phase }) => phase))).toContain('evaluating');
    expect(seen.at(-1)).toMatchObject({ phase: 'saving', step: 3000, steps: 3000, secondsLeft: 0 });
    expect(seen.find(({ step }) => step < 1000)?.secondsLeft).toBeUndefined();
    for (const progress of seen) expect(progress.stepsPerSecond).toBeGreaterThan(0);
  });

  test('the time left is estimated from steps with updates, not from the quick warm-up', async () => {
    const seen: TrainProgress[] = [];
    const agent = new SlowAgent({ learningStarts: 2000 });
    const onProgress = (progress: TrainProgress) => void seen.push(progress);
    await train(shortRun({ agent, steps: 2400, evalInterval: 10_000, onProgress }));
    const estimates = seen.filter(({ phase, secondsLeft }) => {
      return phase === 'training' && secondsLeft !== undefined;
    });
    expect(estimates).not.toEqual([]);
    for (const { step, steps, secondsLeft } of estimates) {
      expect(secondsLeft).toBeGreaterThanOrEqual((SlowAgent.seconds * (steps - step)) / 2);
    }
  });

  test.each([50, 70, 1000])('counts the evaluations to come, every %d steps', async (interval) => {
    const seen: number[] = [];
    const evaluations: number[] = [];
    const options = shortRun({
      steps: 200,
      evalInterval: interval,
      onEvaluation: ({ step }) => void evaluations.push(step),
    });
    const { agent } = options;
    const observe = agent.observe.bind(agent);
    agent.observe = (transition) => {
      seen.push(evaluationsLeft(agent.steps, options.steps, interval));
      observe(transition);
    };
    await train(options);
    // An evaluation at a step comes before the next transition.
    const expected = seen.map((_, step) => evaluations.filter((at) => at > step).length);
    expect(seen).toEqual(expected);
    expect(evaluationsLeft(200, 200, interval)).toBe(0);
  });

  test('says that nothing was learned where the run was all warm-up', async () => {
    const run = async (learningStarts: number, steps: number) =>
      (await train(shortRun({ agent: new LinearAgent({ learningStarts }), steps }))).notices;
    expect(await run(50, 49)).toEqual([
      expect.stringMatching(/^No update was made.* warm-up of 50 steps\. .*lower learningStarts$/),
    ]);
    expect(await run(50, 50)).toEqual([]);
  });

  test('says how long training and evaluations took; saving is neither', async () => {
    const agent = new LinearAgent();
    agent.steps = 100;
    const result = await train(shortRun({ agent, steps: 160 }));
    const { trainSeconds, evaluationSeconds, wallSeconds } = result;
    expect(result.stepsPerSecond).toBeCloseTo(60 / trainSeconds, 6);
    expect(evaluationSeconds).toBeGreaterThan(0);
    expect(wallSeconds).toBeGreaterThan(trainSeconds + evaluationSeconds);
    expect(result.finalEvaluation?.trainSeconds).toBe(trainSeconds);
  });
});

describe('train, ended by a signal', () => {
  test('saves everything and returns', async () => {
    const stop = new AbortController();
    const options = shortRun({
      steps: 1_000_000_000,
      evalInterval: 100,
      logInterval: 1000,
      checkpointInterval: 1_000_000,
      signal: stop.signal,
      // A timer fires only if the loop gives way.
      onEvaluation: () => void setTimeout(() => stop.abort(), 1),
    });
    const result = await train(options);
    expect(result).toMatchObject({ finished: false, interrupted: true });
    expect(result.steps).toBeGreaterThanOrEqual(100);
    const run = RunFolder.open(options.out);
    expect(run.readSummary()).toMatchObject({ interrupted: true, steps: result.steps });
    expect(run.readCheckpoint().checkpoint.steps).toBe(result.steps);
    expect(existsSync(run.policyPath)).toBe(true);
    expect(existsSync(run.curvePngPath)).toBe(true);
  });

  test('an evaluation under way is given up', async () => {
    const stop = new AbortController();
    const evalEnv = new PointEnvironment();
    const endless = Object.assign(evalEnv, {
      step: () => ({
        observation: Float64Array.of(0, 0),
        reward: 0,
        terminated: false,
        truncated: false,
        info: {},
      }),
    });
    setTimeout(() => stop.abort(), 100);
    const result = await train(shortRun({ evalEnv: endless, signal: stop.signal }));
    expect(result).toMatchObject({ steps: 50, interrupted: true, evaluations: [] });
  });

  test('before the first step, it still leaves a whole run folder', async () => {
    const result = await train(shortRun({ signal: AbortSignal.abort() }));
    expect(result).toMatchObject({ steps: 0, interrupted: true, finished: false });
    expect(RunFolder.open(result.folder).readCheckpoint().checkpoint.steps).toBe(0);
  });
});

describe('train, when something fails', () => {
  /** Run until it fails; the error, which must be a RunError. */
  async function failureOf(options: TrainOptions): Promise<RunError> {
    const error: unknown = await train(options).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RunError);
    return error as RunError;
  }

  test.each([
    ['NaN in an observation', { nanObservationAt: 100 }, /nextObservation\[1\] to be a finite/],
    ['NaN in a reward', { nanRewardAt: 100 }, /reward to be a finite number but received NaN/],
    ['an error of the task', { throwAt: 100 }, /the motor has stopped/],
  ])('%s stops the run and keeps the last good checkpoint', async (_, fault, reason) => {
    const options = shortRun({ env: new PointEnvironment(fault) });
    const { message } = await failureOf(options);
    const run = RunFolder.open(options.out);
    expect(message).toMatch(/^Training stopped at step 99: /);
    expect(message).toMatch(reason);
    expect(message).toContain(`(step 80) is kept at ${run.checkpointPath}`);
    expect(run.readCheckpoint().checkpoint.steps).toBe(80);
    expect(run.readSummary()).toMatchObject({ finished: false, steps: 99, error: message });
  });

  test.each([
    ['at the next record of metrics', 20],
    ['at the next checkpoint', 1000],
  ])('NaN in a loss stops the run %s', async (_, logInterval) => {
    // It diverges after step 80, where a checkpoint was written.
    const agent = new LinearAgent({ divergeAt: 75 });
    const options = shortRun({ agent, logInterval, evalInterval: 1000 });
    const { message } = await failureOf(options);
    expect(message).toMatch(/stopped at step (100|160): Expected criticLoss to be finite .* NaN/);
    expect(message).toMatch(/lower learning rate/);
    expect(RunFolder.open(options.out).readCheckpoint().checkpoint.steps).toBe(80);
  });

  test('NaN in a reward of an evaluation stops the run', async () => {
    const options = shortRun({ evalEnv: new PointEnvironment({ nanRewardAt: 1 }) });
    const { message } = await failureOf(options);
    expect(message).toMatch(/stopped at step 50: .*evaluation episode 0 on Point-v0 to be finite/);
  });

  test('a last evaluation that fails leaves checkpoint and policy of the last step', async () => {
    const evalEnv = new PointEnvironment({ throwAt: 1 });
    const options = shortRun({ evalEnv, evalInterval: 1000, checkpointInterval: 1000 });
    await expect(train(options)).rejects.toThrow(
      /^Training stopped at step 200: the motor has stopped.*\(step 200\) is kept at/,
    );
    const run = RunFolder.open(options.out);
    expect(run.readCheckpoint().checkpoint.steps).toBe(200);
    expect(decodeSafetensors(readFileSync(run.policyPath)).metadata['steps']).toBe('200');
    expect(run.readSummary()).toMatchObject({ finished: false, error: expect.any(String) });
  });

  test('an evaluation in between that fails leaves the checkpoint of its own step', async () => {
    const evalEnv = new PointEnvironment({ throwAt: 1 });
    const options = shortRun({ evalEnv, evalInterval: 80 });
    await expect(train(options)).rejects.toThrow(/^Training stopped at step 80: .*\(step 80\)/);
  });

  test('an error thrown by a callback ends the run with its files closed', async () => {
    const list = '/proc/self/fd'; // only Linux has it
    const open = () => (existsSync(list) ? readdirSync(list).length : 0);
    const before = open();
    const { message } = await failureOf(
      shortRun({
        onEvaluation: () => {
          throw new Error('display is gone');
        },
      }),
    );
    expect(message).toMatch(/stopped at step 50: display is gone/);
    expect(open()).toBeLessThanOrEqual(before);
  });

  test.each([['checkpoints'], ['metrics.jsonl'], ['.']])(
    '%s may vanish, which is told',
    async (what) => {
      const options = shortRun();
      const told: string[] = [];
      options.onNotice = (text) => told.push(text);
      options.onEvaluation = ({ step }) => {
        if (step === 50) rmSync(join(options.out, what), { recursive: true });
      };
      const { notices } = await train(options);
      expect(told.join()).toMatch(/removed while the run went on/);
      expect(notices).toEqual(expect.arrayContaining(told));
      const run = RunFolder.open(options.out);
      expect(run.readCheckpoint().checkpoint.steps).toBe(200);
      expect(readJsonLines(run.metricsPath).at(-1)).toMatchObject({ step: 200 });
    },
  );

  test('bad options are refused before anything is written', async () => {
    const larger = Object.assign(new PointEnvironment(), { observationSize: 3 });
    const cases: [Partial<TrainOptions>, RegExp][] = [
      [{ steps: 0 }, /steps to be a positive integer but received 0/],
      [{ steps: 1.5 }, /steps to be a positive integer but received 1.5/],
      [{ evalInterval: -1 }, /evalInterval to be a positive integer/],
      [{ evalEpisodes: NaN }, /evalEpisodes to be a positive integer/],
      [{ seed: -1 }, /seed to be a non-negative integer/],
      [
        { agent: undefined as never },
        /agent to be an agent with act\(\), .* but received undefined/,
      ],
      [
        { env: undefined as never },
        /env to be an environment with reset\(\) and step\(\).*undefined/,
      ],
      [{ evalEnv: {} as never }, /evalEnv to be an environment/],
      [{ overlapped: 3 as never }, /overlapped to be an array of environments but received 3/],
      [{ overlapped: [null as never] }, /overlapped\[0\] to be an environment/],
      [{ signal: {} as never }, /signal to be an AbortSignal/],
      [{ config: { big: 1n } }, /config\.big to be data that JSON can hold.*bigint/],
      [
        { env: larger, evalEnv: larger },
        /the agent's observationSize to be 3, as in env, but rec.* 2/,
      ],
    ];
    for (const [change, message] of cases) {
      const options = shortRun(change);
      await expect(train(options)).rejects.toThrow(message);
      await expect(train(options)).rejects.toThrow(InvalidValueError);
      expect(existsSync(options.out)).toBe(false);
    }
  });

  test('no options, and folders that are none, are refused', async () => {
    await expect(train(undefined as never)).rejects.toThrow(
      /options of train to be an object with/,
    );
    for (const out of ['', 5 as never]) {
      await expect(train(shortRun({ out }))).rejects.toThrow(/out to be the path of a folder/);
    }
  });

  test('an evaluation environment of another shape is refused', async () => {
    const evalEnv = Object.assign(new PointEnvironment(), { observationSize: 3 });
    await expect(train(shortRun({ evalEnv }))).rejects.toThrow(
      /evalEnv\.observationSize to be 2, as in env, but received 3/,
    );
  });

  test('a restored agent that has done all steps is refused', async () => {
    const agent = new LinearAgent();
    agent.steps = 200;
    await expect(train(shortRun({ agent }))).rejects.toThrow(/steps to be more than the 200 steps/);
  });

  test('a folder that holds a run is left as it is', async () => {
    const options = shortRun();
    await train(options);
    const before = filesOf(options.out);
    await expect(train(shortRun({ out: options.out }))).rejects.toThrow(/already holds a run/);
    expect(filesOf(options.out)).toEqual(before);
  });

  test('onStart is told the folder, and only when the run can begin', async () => {
    const told: string[] = [];
    const options = shortRun({ onStart: (folder) => told.push(folder) });
    await train(options);
    expect(told).toEqual([options.out]);
    await expect(train(shortRun({ ...options, agent: new LinearAgent() }))).rejects.toThrow(
      /--out/,
    );
    expect(told).toHaveLength(1);
  });

  test('a folder that cannot be written is named', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'file'), '');
    await expect(train(shortRun({ out: join(folder, 'file', 'run') }))).rejects.toThrow(
      /Expected to write .*file but received EEXIST.*Something else is there/,
    );
    if (process.getuid?.() === 0) return; // root may write everywhere
    mkdirSync(join(folder, 'locked'));
    chmodSync(join(folder, 'locked'), 0o500);
    await expect(train(shortRun({ out: join(folder, 'locked', 'run') }))).rejects.toThrow(
      /EACCES.*change its permissions or choose another folder with --out/,
    );
  });
});
