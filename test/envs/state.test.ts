/** Workers run the compiled package: `npm run prepare` after a change in lib. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { WorkerEnvironment } from '../../dist/index.js';
import { environmentIds, makeEnv } from '../../lib/envs/index.js';
import type { Environment, EnvironmentState } from '../../lib/envs/index.js';
import { decodeNumbers, encodeNumbers } from '../../lib/envs/exact-numbers.js';
import { InvalidValueError } from '../../lib/errors.js';
import { Random } from '../../lib/random.js';
import { Td3Agent } from '../../lib/td3/agent.js';
import { train } from '../../lib/train/index.js';
import { printOf } from '../support/run-print.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();

const randomAction = (env: Environment, random: Random) =>
  Float32Array.from(env.actionLow, (low, i) => random.uniform(low, env.actionHigh[i]));

const throughJson = (state: EnvironmentState | undefined) =>
  JSON.parse(JSON.stringify(state)) as EnvironmentState;

/** Everything that some steps bring, resets at ends and one in mid-episode included. */
function follow(env: Environment, seed: number, steps = 50): number[] {
  const random = new Random(seed);
  const seen: number[] = [];
  for (let i = 0; i < steps; i++) {
    const { observation, reward, terminated, truncated, info } = env.step(
      randomAction(env, random),
    );
    seen.push(
      ...observation,
      reward,
      Number(terminated),
      Number(truncated),
      ...Object.values(info),
    );
    if (terminated || truncated || i === steps - 10) seen.push(...env.reset());
  }
  return seen;
}

/** Equal to the bit: 0 is not -0, and NaN is NaN. */
function expectSame(found: readonly number[], expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  expect(found.findIndex((value, i) => !Object.is(value, expected[i]))).toBe(-1);
}

const options: Record<string, Record<string, unknown>> = {
  'HalfCheetah-v5': { frameSkip: 3, excludeCurrentPositionsFromObservation: false },
  'Ant-v5': { maxEpisodeSteps: 120 },
  'Hopper-v5': { terminateWhenUnhealthy: false },
};

describe.each(environmentIds())('the state of %s', (id) => {
  test('leads to the same bits in a fresh environment and in a used one', async () => {
    for (const given of [{}, options[id]].filter((each) => each !== undefined)) {
      const [env, fresh, used] = await Promise.all([0, 1, 2].map(() => makeEnv(id, given)));
      env!.reset({ seed: 3 });
      used!.reset({ seed: 4 });
      follow(used!, 9, 30);
      const random = new Random(5);
      for (let step = 0; step < 200; step++) {
        const { terminated, truncated } = env!.step(randomAction(env!, random));
        if (terminated || truncated) env!.reset();
        if (step % 67 !== 13) continue;
        const state = throughJson(env!.state!());
        const expected = follow(env!, step);
        for (const other of [fresh!, used!]) {
          other.restore!(state);
          expectSame(follow(other, step), expected);
        }
        env!.restore!(state);
        expectSame(follow(env!, step), expected);
      }
      for (const each of [env, fresh, used]) each!.close();
    }
  }, 60_000);
});

describe('a state', () => {
  test('of a worker is that of the task in it', async () => {
    const env = await WorkerEnvironment.create('Humanoid-v5');
    const other = await WorkerEnvironment.create('Humanoid-v5');
    const here = await makeEnv('Humanoid-v5');
    env.reset({ seed: 1 });
    follow(env, 2, 20);
    const state = throughJson(env.state());
    const expected = follow(env, 3);
    other.restore(state);
    expectSame(follow(other, 3), expected);
    here.restore(state);
    here.step(randomAction(here, new Random(0)));
    expect(() => other.restore({ ...state, task: 'Ant-v5' })).toThrow(/state\.task to be/);
    for (const each of [env, other, here]) each.close();
  }, 60_000);

  test('that does not fit is refused, and changes nothing', async () => {
    const env = await makeEnv('Hopper-v5');
    env.reset({ seed: 1 });
    const other = await makeEnv('Hopper-v5', { frameSkip: 2 });
    const state = env.state();
    const before = env.state();
    const physics = String(state['physics']);
    const numbers = decodeNumbers('x', physics, env.simulation.stateSize);
    const cases: [EnvironmentState, RegExp][] = [
      [other.state(), /state\.options to be "\w{16}".*same options/],
      [{ ...state, task: 'Walker2d-v5' }, /state\.task to be "Hopper-v5"/],
      [{ ...state, elapsedSteps: 1001 }, /state\.elapsedSteps to be an integer from 0 to 1000/],
      [{ ...state, random: { words: [1] } }, /state\.words/],
      [{ ...state, random: undefined }, /state\.words/],
      [{ ...state, physics: physics.slice(12) }, /state\.physics to be \d+ numbers/],
      [{ ...state, physics: 7 }, /state\.physics to be \d+ numbers/],
      [
        { ...state, physics: encodeNumbers(numbers.with(3, NaN)) },
        /state\.physics\[3\] to be a fin/,
      ],
      [{}, /state\.task/],
      [null as unknown as EnvironmentState, /state to be what state\(\)/],
    ];
    for (const [bad, message] of cases) {
      expect(() => env.restore(bad)).toThrow(InvalidValueError);
      expect(() => env.restore(bad)).toThrow(message);
    }
    expect(env.state()).toEqual(before);
    env.close();
    expect(() => env.state()).toThrow(/was closed/);
    expect(() => env.restore(state)).toThrow(/was closed/);
    other.close();
  });

  test('before the first reset is one too', async () => {
    const env = await makeEnv('Swimmer-v5');
    const other = await makeEnv('Swimmer-v5');
    other.restore(throughJson(env.state()));
    expect([...other.step([0.1, 0.2]).observation]).toEqual([...env.step([0.1, 0.2]).observation]);
    env.close();
    other.close();
  });
});

test('numbers as text keep every bit', () => {
  const values = [0, -0, 1e-320, -1.5, NaN, Infinity, -Infinity, Number.MAX_VALUE];
  expectSame([...decodeNumbers('x', encodeNumbers(values), values.length)], values);
  expect(() => decodeNumbers('x', 'AAAA', 1)).toThrow(/x to be 1 numbers as base64/);
  expect(() => decodeNumbers('x', `${encodeNumbers([1])}!`, 1)).toThrow(InvalidValueError);
});

test.each([[0], [2]])(
  'a run on HalfCheetah goes on in mid-episode, with %d workers',
  async (count) => {
    const make = async () => {
      const workers = Array.from({ length: count }, () =>
        WorkerEnvironment.create('HalfCheetah-v5'),
      );
      const [env, evalEnv, ...overlapped] = await Promise.all([
        makeEnv('HalfCheetah-v5'),
        makeEnv('HalfCheetah-v5'),
        ...workers,
      ]);
      const { observationSize, actionSize, actionLow, actionHigh } = env;
      const agent = new Td3Agent({
        observationSize,
        actionSize,
        actionLow,
        actionHigh,
        hiddenSizes: [16, 16],
        batchSize: 16,
        learningStarts: 50,
        threads: 1,
        device: 'cpu',
      });
      const loop = { steps: 300, evalInterval: 120, evalEpisodes: 1, checkpointInterval: 70 };
      const close = () => [env, evalEnv, ...overlapped].forEach((each) => each.close());
      return { options: { env, evalEnv, overlapped, agent, ...loop }, agent, close };
    };
    const [whole, first, rest] = [await make(), await make(), await make()];
    const [alone, out] = [join(newFolder(), 'alone'), join(newFolder(), 'run')];
    await train({ ...whole.options, out: alone });
    const stop = new AbortController();
    const onProgress = () => stop.abort();
    await train({ ...first.options, out, signal: stop.signal, onProgress });
    expect(first.agent.steps).toBeLessThan(300);
    await train({ ...rest.options, resume: out });
    expect(printOf(out, rest.agent)).toEqual(printOf(alone, whole.agent));
    for (const each of [whole, first, rest]) each.close();
  },
  60_000,
);
