import {
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { OverlappedEnvironment } from '../../lib/envs/worker-environment.js';
import type { StepResult } from '../../lib/envs/environment.js';
import { Td3Agent } from '../../lib/td3/agent.js';
import type { HyperparameterOptions } from '../../lib/td3/config.js';
import { RunFolder, readJsonLines, train } from '../../lib/train/index.js';
import type { TrainOptions, TrainResult } from '../../lib/train/index.js';
import { LinearAgent } from '../support/linear-agent.js';
import { PointEnvironment } from '../support/point-environment.js';
import type { PointOptions } from '../support/point-environment.js';
import { printOf } from '../support/run-print.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();

/** Steps at once when it is asked to begin; a worker would do the same meanwhile. */
class OverlappedPoint extends PointEnvironment implements OverlappedEnvironment {
  #result: StepResult | undefined;

  begin(action: ArrayLike<number>): void {
    this.#result = this.step(action);
  }

  finish(): StepResult {
    return this.#result!;
  }
}

/** How the loop runs: with which environments, besides the agent's options. */
type Loop = 'one environment' | 'an environment for evaluations' | 'two overlapped environments';

const noise = { sparsity: '1:4', learningStarts: 25, batchSize: 8, bufferSize: 60, threads: 1 };

function newAgent(options: HyperparameterOptions = {}): Td3Agent {
  const spaces = { observationSize: 2, actionSize: 1, actionLow: -2, actionHigh: 1 };
  return new Td3Agent({ ...spaces, ...noise, hiddenSizes: [8, 8], seed: 5, ...options });
}

function optionsOf(loop: Loop, faults: PointOptions = {}): Omit<TrainOptions, 'agent'> {
  const overlapped =
    loop === 'two overlapped environments'
      ? [new OverlappedPoint(faults), new OverlappedPoint(faults)]
      : [];
  return {
    env: new PointEnvironment(faults),
    evalEnv: loop === 'one environment' ? undefined : new PointEnvironment(),
    overlapped,
    steps: 160,
    evalInterval: 37,
    evalEpisodes: 2,
    logInterval: 10,
    checkpointInterval: 30,
    seed: 3,
  };
}

/** Train in one go, and once more with stops at the given steps; both have to come to the same. */
async function compare(
  loop: Loop,
  agentOptions: HyperparameterOptions,
  stops: readonly number[],
  changes: Partial<TrainOptions> = {},
) {
  const whole = { out: join(newFolder(), 'whole'), agent: newAgent(agentOptions) };
  await train({ ...optionsOf(loop), ...changes, ...whole });
  const out = join(newFolder(), 'parts');
  let agent = newAgent(agentOptions);
  for (const [i, stop] of stops.entries()) {
    await stopAt(stop, { ...optionsOf(loop), ...changes, agent, ...where(out, i) });
    agent = newAgent(agentOptions);
  }
  await train({ ...optionsOf(loop), ...changes, agent, resume: out });
  expect(printOf(out, agent)).toEqual(printOf(whole.out, whole.agent));
}

const where = (out: string, part: number) => (part === 0 ? { out } : { resume: out });

/** End a run by its signal at a step. */
async function stopAt(step: number, options: TrainOptions): Promise<TrainResult> {
  const stop = new AbortController();
  const { agent } = options;
  const observe = agent.observe.bind(agent);
  agent.observe = (transition) => {
    observe(transition);
    if (agent.steps >= step) stop.abort();
  };
  const result = await train({ ...options, signal: stop.signal });
  expect(result).toMatchObject({ interrupted: true, stopReason: 'signal' });
  return result;
}

/** Have a run die of an error of its task at a step; what it has on disk is all that stays. */
async function dieAt(step: number, loop: Loop, options: TrainOptions): Promise<void> {
  const { env, overlapped } = optionsOf(loop, { throwAt: step });
  await expect(train({ ...options, env, overlapped })).rejects.toThrow('the motor has stopped');
}

const loops: Loop[] = [
  'one environment',
  'an environment for evaluations',
  'two overlapped environments',
];

describe('a run that was stopped and resumed is the run that was not', () => {
  for (const loop of loops) {
    test.each([[[90]], [[95]], [[7]], [[74]], [[31, 100, 101]]])(
      `${loop}, at %j`,
      async (stops) => {
        await compare(loop, {}, stops);
      },
    );

    test(`${loop}, after it died between two checkpoints`, async () => {
      const whole = { out: join(newFolder(), 'whole'), agent: newAgent() };
      await train({ ...optionsOf(loop), ...whole });
      const out = join(newFolder(), 'parts');
      // Of steps of this environment: each of two has half of them, and one alone evaluates too.
      const died = { [loops[0]!]: 124, [loops[1]!]: 104, [loops[2]!]: 52 }[loop]!;
      await dieAt(died, loop, { ...optionsOf(loop), agent: newAgent(), out });
      const { steps } = RunFolder.open(out).readCheckpoint().checkpoint;
      expect([60, 90]).toContain(steps);
      const agent = newAgent();
      await train({ ...optionsOf(loop), agent, resume: out });
      expect(printOf(out, agent)).toEqual(printOf(whole.out, whole.agent));
    });
  }

  test.each<[string, HyperparameterOptions]>([
    ['returns of three steps', { nSteps: 3 }],
    ['normalised observations', { normalizeObservations: true, nSteps: 2 }],
    ['sr-ste', { gradientRule: 'sr-ste', maskInterval: 20 }],
    ['ste', { gradientRule: 'ste', maskInterval: 7 }],
    [
      'masks by gradient',
      { maskRule: 'gradient', dropFraction: '0.5 - t / 1000', maskInterval: 9 },
    ],
    ['masks at random', { maskRule: 'random', maskInterval: 9, newMoment: 'row-mean' }],
    ['transposable masks', { maskShape: 'transposable', sparseLayers: 'hidden', maskInterval: 9 }],
    ['schedules', { learningRate: '3e-4 * exp(-t / 100)', explorationNoise: '0.1 + t / 1000' }],
    ['dense networks', { sparsity: 'dense', policyDelay: 3 }],
  ])('%s', async (_, options) => {
    await compare('two overlapped environments', options, [45, 133]);
    await compare('one environment', options, [98]);
  });

  test('with another number of threads, and with more steps', async () => {
    await compare('an environment for evaluations', {}, [60], { steps: 190 });
    const whole = { out: join(newFolder(), 'whole'), agent: newAgent() };
    const options = optionsOf('an environment for evaluations');
    await train({ ...options, steps: 200, ...whole });
    const out = join(newFolder(), 'parts');
    await train({ ...options, steps: 115, agent: newAgent(), out });
    const agent = newAgent({ threads: 2 });
    await train({ ...options, steps: 200, agent, resume: out });
    expect(printOf(out, agent)).toEqual(printOf(whole.out, whole.agent));
  });

  test('with an agent of another kind, whose state is all that it has', async () => {
    const options = optionsOf('one environment');
    const whole = { out: join(newFolder(), 'whole'), agent: new LinearAgent({ seed: 2 }) };
    await train({ ...options, ...whole });
    const out = join(newFolder(), 'parts');
    await stopAt(100, {
      ...optionsOf('one environment'),
      agent: new LinearAgent({ seed: 2 }),
      out,
    });
    const agent = new LinearAgent({ seed: 2 });
    await train({ ...optionsOf('one environment'), agent, resume: out });
    expect(printOf(out, agent)).toEqual(printOf(whole.out, whole.agent));
  });
});

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 1;
  writeFileSync(path, bytes);
}

describe('resuming', () => {
  const loop = 'an environment for evaluations';

  /** A run that was stopped at step 100. */
  async function stoppedRun(changes: Partial<TrainOptions> = {}): Promise<string> {
    const out = join(newFolder(), 'run');
    await stopAt(100, { ...optionsOf(loop), agent: newAgent(), out, ...changes });
    return out;
  }

  test('refuses options that are not what they were, with both values', async () => {
    const out = await stoppedRun();
    const resumeWith = (changes: Partial<TrainOptions>, agent = newAgent()) =>
      train({ ...optionsOf(loop), agent, ...changes, resume: out });
    const before = readFileSync(RunFolder.open(out).checkpointPath);
    await expect(resumeWith({}, newAgent({ batchSize: 16 }))).rejects.toThrow(
      /Expected batchSize to be 8, as in the run to go on with, but received 16/,
    );
    await expect(resumeWith({}, newAgent({ nSteps: 2 }))).rejects.toThrow(/nSteps to be 1, as/);
    await expect(resumeWith({ seed: 4 })).rejects.toThrow(/to be 3, as in .* received 4/);
    await expect(resumeWith({ steps: 99 })).rejects.toThrow(/at least the 100 steps/);
    await expect(resumeWith({ out: 'x' })).rejects.toThrow(/out to be left out/);
    await expect(resumeWith({ config: { envOptions: { x: 1 } } })).rejects.toThrow(/envOptions/);
    const { overlapped } = optionsOf('two overlapped environments');
    await expect(resumeWith({ overlapped })).rejects.toThrow(/overlap to be false, as in the run/);
    expect(readFileSync(RunFolder.open(out).checkpointPath).equals(before)).toBe(true);
    expect(await resumeWith({})).toMatchObject({ finished: true, steps: 160 });
  });

  test('says what a run that has done its steps needs', async () => {
    const out = join(newFolder(), 'run');
    await train({ ...optionsOf(loop), agent: newAgent(), out });
    await expect(train({ ...optionsOf(loop), agent: newAgent(), resume: out })).rejects.toThrow(
      /has done all of its 160 steps. Raise steps to go on with it/,
    );
  });

  test('goes on from the checkpoint before a damaged one, and keeps that aside', async () => {
    const whole = { out: join(newFolder(), 'whole'), agent: newAgent() };
    await train({ ...optionsOf(loop), ...whole });
    const out = await stoppedRun();
    const { checkpointPath } = RunFolder.open(out);
    const bytes = readFileSync(checkpointPath);
    bytes[bytes.length - 9]! ^= 4;
    writeFileSync(checkpointPath, bytes);
    const agent = newAgent();
    const told: string[] = [];
    const onNotice = (text: string) => told.push(text);
    await train({ ...optionsOf(loop), agent, resume: out, onNotice });
    expect(told.join()).toMatch(
      /latest.* to have the checksum .*Using .*previous.*step 90\) instead/,
    );
    expect(existsSync(join(out, 'checkpoints', 'damaged-latest.safetensors'))).toBe(true);
    expect(printOf(out, agent)).toEqual(printOf(whole.out, whole.agent));
  });

  test('notices that rows of the replay buffer are damaged or missing', async () => {
    // Records of 30 rows of 28 bytes with 32 before them: both checkpoints need the third one's.
    const third = 2 * (32 + 30 * 28);
    for (const harm of [
      (path: string) => flip(path, third + 200),
      (path: string) => flip(path, third + 20),
      (path: string) => truncateSync(path, third + 300),
      (path: string) => rmSync(path),
    ]) {
      const out = await stoppedRun();
      const { replayPath } = RunFolder.open(out);
      harm(join(replayPath, readdirSync(replayPath)[0]!));
      const agent = newAgent();
      const resumed = train({ ...optionsOf(loop), agent, resume: out });
      await expect(resumed).rejects.toThrow(
        /a whole checkpoint .* but received none.*replay buffer/,
      );
      const without = { ...optionsOf(loop), agent: newAgent(), resume: out, saveReplay: false };
      const { finished, notices } = await train(without);
      expect({ finished, notices }).toMatchObject({ finished: true });
      expect(notices.join()).toMatch(/replay buffer begins empty/);
    }
  });

  test('goes on from the checkpoint before where rows of the last one alone are damaged', async () => {
    const out = await stoppedRun();
    const { replayPath } = RunFolder.open(out);
    flip(join(replayPath, readdirSync(replayPath)[0]!), 3 * (32 + 30 * 28) + 100);
    const { notices } = await train({ ...optionsOf(loop), agent: newAgent(), resume: out });
    expect(notices.join()).toMatch(/rows 90 to 99 .* damaged.*Using .*previous.*step 90/);
  });

  test('without the replay buffer on disk, says what differs', async () => {
    const out = await stoppedRun({ saveReplay: false });
    expect(existsSync(RunFolder.open(out).replayPath)).toBe(false);
    const told: string[] = [];
    const options = { ...optionsOf(loop), agent: newAgent(), resume: out, saveReplay: false };
    await train({ ...options, onNotice: (text) => told.push(text) });
    expect(told.join()).toMatch(/replay buffer begins empty.*learningStarts transitions/);
  });

  test('a task that cannot tell its state begins a new episode, and the run says so', async () => {
    const env = () => new PointEnvironment({ noState: true });
    const out = await stoppedRun({ env: env() });
    const agent = newAgent();
    const { notices } = await train({ ...optionsOf(loop), env: env(), agent, resume: out });
    expect(notices.join()).toMatch(/Point-v0 cannot go on in the middle of an episode/);
  });

  test('cuts torn ends off metrics, and tells of files that are gone', async () => {
    const out = await stoppedRun();
    const run = RunFolder.open(out);
    const lines = readFileSync(run.metricsPath, 'utf8');
    writeFileSync(run.metricsPath, `${lines}{"step":1`);
    await train({ ...optionsOf(loop), steps: 120, agent: newAgent(), resume: out });
    const steps = readJsonLines(run.metricsPath).map((line) => line['step']);
    expect(steps).toEqual([10, 20, 30, 37, 40, 50, 60, 70, 74, 80, 90, 100, 110, 111, 120, 120]);
    rmSync(run.metricsPath);
    const { notices } = await train({
      ...optionsOf(loop),
      steps: 140,
      agent: newAgent(),
      resume: out,
    });
    expect(notices.join()).toMatch(/metrics\.jsonl.*what it had is lost, and it begins anew/);
  });

  test('two processes cannot write one run', async () => {
    const out = await stoppedRun();
    const run = RunFolder.open(out);
    const stat = readFileSync(`/proc/${process.pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    const { hostname } = await import('node:os');
    const holder = { pid: process.pid, host: hostname(), began: stat[19] };
    writeFileSync(run.lockPath, JSON.stringify(holder));
    const options = { ...optionsOf(loop), agent: newAgent(), resume: out };
    await expect(train(options)).rejects.toThrow(/process \d+ is training it/);
    // The process that has this number now is another one.
    writeFileSync(run.lockPath, JSON.stringify({ ...holder, began: '1' }));
    expect(await train(options)).toMatchObject({ finished: true });
    expect(existsSync(run.lockPath)).toBe(false);
  });
});
