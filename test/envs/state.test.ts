/** Workers run the compiled package: `npm run prepare` after a change in lib/envs. */
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { WorkerEnvironment } from '../../dist/index.js';
import type { Environment, EnvironmentState, StepResult } from '../../lib/envs/environment.js';
import { makeEnv } from '../../lib/envs/index.js';
import { decodeNumbers, encodeNumbers } from '../../lib/envs/state-numbers.js';
import { Random } from '../../lib/random.js';
import { Td3Agent } from '../../lib/td3/agent.js';
import { train } from '../../lib/train/index.js';
import type { OverlappedEnvironment } from '../../lib/envs/worker-environment.js';
import { printOf } from '../support/run-print.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const closeables: { close(): void }[] = [];
afterAll(() => closeables.forEach((each) => each.close()));

async function makeHere(id: string, options: Record<string, unknown>): Promise<Environment> {
  const env = await makeEnv(id, options);
  closeables.push(env);
  return env;
}

async function makeWorker(
  id: string,
  options: Record<string, unknown> = {},
): Promise<OverlappedEnvironment> {
  const env = await WorkerEnvironment.create(id, options);
  closeables.push(env);
  return env;
}

/** Tasks with options; some have others that change what is kept. */
const cases: [string, Record<string, unknown>][] = [
  ['HalfCheetah-v5', {}],
  ['Hopper-v5', {}],
  ['Walker2d-v5', {}],
  ['Ant-v5', {}],
  ['Humanoid-v5', {}],
  ['HumanoidStandup-v5', {}],
  ['Swimmer-v5', {}],
  ['Reacher-v5', {}],
  ['Pusher-v5', {}],
  ['InvertedPendulum-v5', {}],
  ['InvertedDoublePendulum-v5', {}],
  ['Ant-v5', { frameSkip: 2, contactForceRange: [-Infinity, Infinity], mainBody: 2 }],
  ['Humanoid-v5', { terminateWhenUnhealthy: false, contactCostRange: [-Infinity, 3] }],
  ['HalfCheetah-v5', { frameSkip: 1, maxEpisodeSteps: 90, resetNoiseScale: 0.3 }],
];

/** All numbers of what a step or a reset gave, to the bit. */
function bits({ observation, reward, terminated, truncated, info }: StepResult): string {
  const others = [reward, Number(terminated), Number(truncated), ...Object.values(info)];
  return `${Object.keys(info).join()} ${bitsOf([...observation, ...others])}`;
}

function bitsOf(values: Iterable<number>): string {
  return Buffer.from(Float64Array.from(values).buffer).toString('hex');
}

function actionOf(env: Environment, random: Random): Float32Array {
  const { actionLow, actionHigh } = env;
  return actionLow.map((low, i) => random.uniform(low, actionHigh[i]));
}

/** Step with random actions and begin anew where an episode ends; what every step gave. */
function walk(env: Environment, steps: number, random: Random): string[] {
  return Array.from({ length: steps }, () => {
    const result = env.step(actionOf(env, random));
    const isOver = result.terminated || result.truncated;
    return isOver ? bits(result) + bitsOf(env.reset()) : bits(result);
  });
}

/** What comes after: 50 steps, an episode that is left, and its successor. */
function future(env: Environment, seed: number): string[] {
  const random = new Random(seed);
  return [...walk(env, 50, random), bitsOf(env.reset()), ...walk(env, 5, random)];
}

function throughJson(state: EnvironmentState | undefined): EnvironmentState {
  return JSON.parse(JSON.stringify(state)) as EnvironmentState;
}

/** Go on from states of `source` in a fresh environment and in one that has been used. */
function compare(source: Environment, fresh: () => Environment, used: Environment): void {
  const random = new Random(1);
  source.reset({ seed: 7 });
  used.reset({ seed: 8 });
  for (const steps of [0, 3, 60, 137]) {
    walk(source, steps, random);
    walk(used, 11, random);
    const state = throughJson(source.state?.());
    const expected = future(source, steps);
    for (const env of [fresh(), used, source]) {
      env.restore?.(state);
      expect(throughJson(env.state?.())).toEqual(state);
      expect(future(env, steps)).toEqual(expected);
    }
    // The next moment is one of the same episodes.
    source.restore?.(state);
  }
}

describe('a task goes on from its state as if nothing had happened', () => {
  test.each(cases)('%s with %j', async (id, options) => {
    const fresh = await Promise.all([0, 1, 2, 3].map(() => makeHere(id, options)));
    const [source, used] = [await makeHere(id, options), await makeHere(id, options)];
    compare(source, () => fresh.pop()!, used);
  });

  test('in a worker, and from there to here', async () => {
    const [id, options] = ['Hopper-v5', { maxEpisodeSteps: 70 }] as const;
    const fresh = await Promise.all([0, 1, 2, 3].map(() => makeWorker(id, options)));
    const [source, used] = [await makeWorker(id, options), await makeWorker(id, options)];
    compare(source, () => fresh.pop()!, used);
    const here = await makeHere(id, options);
    here.restore?.(throughJson(source.state?.()));
    expect(here.state?.()).toEqual(source.state?.());
  });

  test('when it was never reset, and at the end of an episode', async () => {
    const make = () => makeHere('Reacher-v5', { maxEpisodeSteps: 4 });
    const [before, after] = [await make(), await make()];
    expect(before.state?.()).toMatchObject({ elapsedSteps: 0, random: null });
    after.reset({ seed: 1 });
    after.restore?.(throughJson(before.state?.()));
    expect(after.state?.()).toEqual(before.state?.());
    after.reset({ seed: 1 });
    for (let i = 0; i < 6; i++) after.step([0, 0]);
    expect(after.state?.()).toMatchObject({ elapsedSteps: 4 });
    before.restore?.(throughJson(after.state?.()));
    expect(before.step([0.1, 0])).toEqual(after.step([0.1, 0]));
    expect(before.reset()).toEqual(after.reset());
  });

  test('with activations that the model adds', async () => {
    const { options } = await makeEnv('InvertedPendulum-v5');
    const motor = /<motor[^>]*\/>/.exec(options.model)![0];
    const [joint] = /joint="[^"]*"/.exec(motor)!;
    const slow = `<general ${joint} dyntype="filter" dynprm="0.3" gainprm="60" ctrlrange="-3 3"/>`;
    const model = options.model.replace(motor, slow);
    const make = () => makeHere('InvertedPendulum-v5', { model });
    const fresh = await Promise.all([0, 1, 2, 3].map(make));
    compare(await make(), () => fresh.pop()!, await make());
  });
});

describe('a state that does not fit is refused, and nothing has changed', () => {
  const valid = async () => {
    const env = await makeHere('Hopper-v5', {});
    env.reset({ seed: 2 });
    walk(env, 9, new Random(3));
    return { env, state: throughJson(env.state?.()) };
  };
  const numbers = (state: EnvironmentState, name: string) =>
    Buffer.from(state[name] as string, 'base64');
  const withNumber = (state: EnvironmentState, name: string, value: number) => {
    const bytes = numbers(state, name);
    bytes.writeDoubleLE(value, 16);
    return { ...state, [name]: bytes.toString('base64') };
  };
  type Change = (state: EnvironmentState) => unknown;

  test.each<[string, Change, RegExp]>([
    ['nothing', () => null, /state to be an object but received null/],
    ['another task', (s) => ({ ...s, id: 'Walker2d-v5' }), /state\.id to be "Hopper-v5".*Walker2d/],
    [
      'no model',
      (s) => ({ ...s, model: undefined }),
      /state\.model to be the hash of the task's model/,
    ],
    ['NaN', (s) => withNumber(s, 'physics', NaN), /state\.physics\[2\] to be a finite number/],
    ['Infinity', (s) => withNumber(s, 'lagging', Infinity), /state\.lagging\[2\] to be a finite/],
    [
      'too few numbers',
      (s) => ({ ...s, lagging: encodeNumbers([1, 2]) }),
      /state\.lagging to be \d+ numbers as base64 of float64/,
    ],
    [
      'no base64',
      (s) => ({ ...s, physics: `*${(s['physics'] as string).slice(1)}` }),
      /state\.physics to be \d+ numbers as base64/,
    ],
    ['no numbers', (s) => ({ ...s, physics: [1, 2] }), /state\.physics .* received Array/],
    ['-1 steps', (s) => ({ ...s, elapsedSteps: -1 }), /elapsedSteps .* from 0 to 1000 .* -1/],
    ['1001 steps', (s) => ({ ...s, elapsedSteps: 1001 }), /from 0 to 1000 .* 1001/],
    ['no random state', (s) => ({ ...s, random: undefined }), /state\.random\.words/],
    [
      'zeros',
      (s) => ({ ...s, random: { words: [0, 0, 0, 0], spareNormal: null } }),
      /not all zero/,
    ],
    ['text', (s) => ({ ...s, random: { words: [1, 2, 3, 4], spareNormal: '1' } }), /spareNormal/],
  ])('%s', async (_, change, message) => {
    const { env, state } = await valid();
    expect(() => env.restore?.(change(state) as EnvironmentState)).toThrow(message);
    expect(throughJson(env.state?.())).toEqual(state);
  });

  test('options and models that differ', async () => {
    const { state } = await valid();
    const slower = await makeHere('Hopper-v5', { frameSkip: 5 });
    expect(() => slower.restore?.(state)).toThrow(
      /hash of the task's options .* options that it had/,
    );
    const { options } = await makeEnv('Hopper-v5');
    const other = await makeHere('Hopper-v5', { model: `${options.model}<!-- mine -->` });
    expect(() => other.restore?.(state)).toThrow(/hash of the task's model/);
    const viewed = await makeHere('Hopper-v5', { defaultCameraConfig: { distance: 9 } });
    viewed.restore?.(state);
  });

  test('in a worker', async () => {
    const { state } = await valid();
    const env = await makeWorker('Hopper-v5');
    env.reset({ seed: 2 });
    const before = throughJson(env.state?.());
    const bad = withNumber(state, 'physics', NaN);
    expect(() => env.restore?.(bad)).toThrow(/state\.physics\[2\] to be a finite number/);
    expect(() => env.restore?.({ walk })).toThrow(/state to be data that a worker can get/);
    expect(() => env.restore?.(null as never)).toThrow(/state to be an object/);
    expect(throughJson(env.state?.())).toEqual(before);
    env.restore?.(state);
    expect(throughJson(env.state?.())).toEqual(state);
  });

  test('physics that cannot go on, and bodies that sleep, have no state', async () => {
    const { options } = await makeEnv('InvertedPendulum-v5');
    const model = (flag: string) =>
      options.model.replace(/<option([^>]*)\/>/, `<option$1><flag ${flag}/></option>`);
    expect(model('x')).toContain('<flag x/>');
    const sleepy = await makeHere('InvertedPendulum-v5', { model: model('sleep="enable"') });
    expect(sleepy.state?.()).toBeUndefined();
    const wild = await makeEnv('InvertedPendulum-v5', { model: model('autoreset="disable"') });
    closeables.push(wild);
    wild.reset({ seed: 1 });
    wild.setState([0, 0], [1e300, 1e300]);
    wild.step([0]);
    expect(wild.state()).toBeUndefined();
  });

  test('a closed environment has none', async () => {
    const { env, state } = await valid();
    env.close();
    expect(() => env.state?.()).toThrow(/closed/);
    expect(() => env.restore?.(state)).toThrow(/closed/);
  });
});

describe('numbers as text', () => {
  test('come back to the bit', () => {
    const values = [0, -0, 1 / 3, -5e-324, Number.MAX_VALUE, Math.PI];
    const text = encodeNumbers(values);
    expect(Buffer.from(text, 'base64')).toHaveLength(48);
    expect(bitsOf(decodeNumbers('x', text, 6))).toBe(bitsOf(values));
    expect(decodeNumbers('x', encodeNumbers([]), 0)).toHaveLength(0);
    expect(Buffer.from(encodeNumbers([1]), 'base64').toString('hex')).toBe('000000000000f03f');
  });

  test.each([
    [encodeNumbers([1]), 2, /x to be 2 numbers/],
    [undefined, 1, /x to be 1 numbers/],
    [`${encodeNumbers([1])}AA`, 1, /x to be 1 numbers/],
    [encodeNumbers([1, -Infinity]), 2, /x\[1\] to be a finite number but received -Infinity/],
  ])('%j is not %i numbers', (text, length, message) => {
    expect(() => decodeNumbers('x', text, length)).toThrow(message);
  });
});

describe('training that was stopped in mid-episode and resumed is training that was not', () => {
  const newFolder = temporaryFolders();
  const id = 'HalfCheetah-v5';

  async function newAgent(): Promise<Td3Agent> {
    const { observationSize, actionSize, actionLow, actionHigh } = await makeHere(id, {});
    const spaces = { observationSize, actionSize, actionLow, actionHigh };
    const sizes = { hiddenSizes: [8, 8], batchSize: 8, bufferSize: 400, learningStarts: 50 };
    const agent = new Td3Agent({ ...spaces, ...sizes, sparsity: '1:4', threads: 1, seed: 4 });
    closeables.push(agent);
    return agent;
  }

  async function runOptions(workers: number) {
    return {
      env: await makeHere(id, { maxEpisodeSteps: 110 }),
      evalEnv: await makeHere(id, { maxEpisodeSteps: 30 }),
      overlapped: await Promise.all(
        Array.from({ length: workers }, () => makeWorker(id, { maxEpisodeSteps: 110 })),
      ),
      steps: 300,
      evalInterval: 120,
      evalEpisodes: 1,
      logInterval: 50,
      seed: 6,
    };
  }

  test.each([0, 2])('with %i environments in workers', async (workers) => {
    const [wholeOut, out] = [join(newFolder(), 'whole'), join(newFolder(), 'parts')];
    const whole = await newAgent();
    await train({ ...(await runOptions(workers)), agent: whole, out: wholeOut });
    const stopped = await newAgent();
    const stop = new AbortController();
    const observe = stopped.observe.bind(stopped);
    stopped.observe = (transition) => {
      observe(transition);
      if (stopped.steps >= 171) stop.abort();
    };
    const first = { ...(await runOptions(workers)), agent: stopped, out, signal: stop.signal };
    expect(await train(first)).toMatchObject({ interrupted: true });
    const agent = await newAgent();
    const result = await train({ ...(await runOptions(workers)), agent, resume: out });
    expect(result.notices.join()).not.toMatch(/cannot go on in the middle/);
    expect(printOf(out, agent)).toEqual(printOf(wholeOut, whole));
  });
});
