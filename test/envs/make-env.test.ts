import { describe, expect, test } from '@jest/globals';
import { InvalidValueError, RunError } from '../../lib/errors.js';
import { environmentIds, makeEnv, registerEnvironment } from '../../lib/envs/index.js';
import type { Environment } from '../../lib/envs/index.js';
import { antModel } from '../../lib/envs/mujoco/models/ant.js';
import { halfCheetahModel } from '../../lib/envs/mujoco/models/half-cheetah.js';
import { invertedPendulumModel } from '../../lib/envs/mujoco/models/inverted-pendulum.js';
import { taskIds } from './reference.js';

describe('makeEnv', () => {
  test('knows the eleven tasks', () => {
    expect(environmentIds()).toEqual(expect.arrayContaining(taskIds));
    expect(taskIds).toHaveLength(11);
  });

  test.each([
    ['HalfChetah-v5', 'HalfCheetah-v5'],
    ['hopper', 'Hopper-v5'],
    ['Walker2d-v4', 'Walker2d-v5'],
  ])('answers %s with the nearest name, %s', async (id, nearest) => {
    const error = await makeEnv(id).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(InvalidValueError);
    expect((error as Error).message).toContain(
      `Unknown environment "${id}". Did you mean ${nearest}?`,
    );
    for (const known of taskIds) expect((error as Error).message).toContain(known);
  });

  test('names no nearest task where none is near', async () => {
    await expect(makeEnv('Chess')).rejects.toThrow('Unknown environment "Chess". Known are');
    await expect(makeEnv(3 as never)).rejects.toThrow('Expected id to be the name');
  });

  test('lists the options when one is unknown', async () => {
    const making = makeEnv('HalfCheetah-v5', { forwardRewardWheight: 1 } as object);
    await expect(making).rejects.toThrow(
      'Unknown option forwardRewardWheight of HalfCheetah-v5. Did you mean forwardRewardWeight? ' +
        'Known are model, frameSkip, maxEpisodeSteps,',
    );
  });

  test.each([
    ['HalfCheetah-v5', { frameSkip: 0 }, 'frameSkip to be a positive integer'],
    ['HalfCheetah-v5', { frameSkip: 1e9 }, 'frameSkip to be at most 1000 physics steps per env'],
    ['HalfCheetah-v5', { maxEpisodeSteps: 1.5 }, 'maxEpisodeSteps to be a positive integer'],
    ['HalfCheetah-v5', { ctrlCostWeight: '0.1' }, 'ctrlCostWeight to be a finite number'],
    ['HalfCheetah-v5', { ctrlCostWeight: NaN }, 'ctrlCostWeight to be a finite number'],
    ['HalfCheetah-v5', { resetNoiseScale: -0.1 }, 'resetNoiseScale to be a number from 0'],
    [
      'HalfCheetah-v5',
      { excludeCurrentPositionsFromObservation: 1 },
      'excludeCurrentPositionsFromObservation to be true or false',
    ],
    ['HalfCheetah-v5', { model: 3 }, 'model to be a string'],
    ['HalfCheetah-v5', { defaultCameraConfig: 3 }, 'defaultCameraConfig to be an object or null'],
    ['HalfCheetah-v5', [], 'the options of HalfCheetah-v5 to be an object'],
    ['Hopper-v5', { healthyZRange: [1] }, 'healthyZRange to be two numbers [low, high]'],
    ['Hopper-v5', { healthyZRange: [2, 1] }, 'healthyZRange to be two numbers [low, high]'],
    ['Hopper-v5', { healthyZRange: [NaN, 1] }, 'healthyZRange to be two numbers [low, high]'],
    ['Ant-v5', { mainBody: 14 }, 'mainBody to be the name of a body or an integer from 0 to 13'],
    ['Ant-v5', { mainBody: -1 }, 'mainBody to be a non-negative integer'],
  ])('%s refuses %j', async (id, options, message) => {
    const error = await makeEnv(id, options as never).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(InvalidValueError);
    expect((error as Error).message).toContain(message);
  });

  test('says what is wrong with a model', async () => {
    await expect(makeEnv('HalfCheetah-v5', { model: '<mujoco>' })).rejects.toThrow(
      /Expected model to be a valid MJCF text but received "<mujoco>"\. .*XML/s,
    );
    const joints = [1, 2, 3, 4].map((i) => `<joint name="j${i}" axis="1 ${i} 0"/>`).join('');
    const model =
      `<mujoco><worldbody><body name="arm">${joints}<geom size="1"/></body></worldbody>` +
      '<actuator><motor joint="j1"/></actuator></mujoco>';
    await expect(makeEnv('Reacher-v5', { model })).rejects.toThrow(
      'The model has no body named "fingertip", which the task needs',
    );
  });

  const joints = (count: number, sites = '') => {
    const all = Array.from({ length: count }, (_, i) => `<joint name="j${i}"/>`);
    const bodies = all.map((joint) => `<body>${joint}<geom size="1"/>`).join('');
    return `<mujoco><worldbody>${sites}${bodies}${'</body>'.repeat(count)}</worldbody></mujoco>`;
  };

  test.each([
    [
      'Hopper-v5',
      '<mujoco/>',
      'at least 3 joints (slide or hinge) before any others, as Hopper-v5 needs, but',
    ],
    ['Hopper-v5', joints(2), 'at least 3 joints (slide or hinge)'],
    ['Hopper-v5', joints(3), 'at least one actuator'],
    ['Ant-v5', halfCheetahModel, 'a free joint as its first one, as Ant-v5 needs'],
    ['Humanoid-v5', '<mujoco/>', 'a free joint as its first one'],
    ['HalfCheetah-v5', antModel, 'at least 1 joint (slide or hinge) before any others'],
    ['InvertedDoublePendulum-v5', joints(3), 'at least 1 site'],
    ['InvertedDoublePendulum-v5', joints(3, '<site/>'), 'at least one actuator'],
  ])('%s refuses a model without what it needs', async (id, model, lack) => {
    const error = await makeEnv(id, { model }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(InvalidValueError);
    expect((error as Error).message).toContain(`Expected model to have ${lack}`);
  });

  test('takes a model of another build that has it', async () => {
    const model = antModel.replace(/<motor joint[^>]*>/, '');
    const env = await makeEnv('Ant-v5', { model });
    expect(env.actionSize).toBe(7);
    env.close();
  });

  test('ignores undefined options', async () => {
    const env = await makeEnv('Swimmer-v5', { frameSkip: undefined } as never);
    expect(env.options.frameSkip).toBe(4);
    env.close();
  });
});

describe('registerEnvironment', () => {
  const counter = {
    id: 'Counter',
    observationSize: 1,
    actionSize: 1,
    actionLow: Float32Array.of(-1),
    actionHigh: Float32Array.of(1),
    reset: () => Float64Array.of(0),
    step: () => {
      const observation = Float64Array.of(1);
      return { observation, reward: 1, terminated: true, truncated: false, info: {} };
    },
    close: () => {},
  } satisfies Environment;

  test('makes a name known to makeEnv, options included', async () => {
    registerEnvironment('Counter', (options) => ({ ...counter, id: String(options['id']) }));
    expect(environmentIds()).toContain('Counter');
    expect((await makeEnv('Counter', { id: 'mine' })).id).toBe('mine');
  });

  test('refuses names that are taken or empty, and what is no factory', () => {
    const factory = (): Environment => counter;
    expect(() => registerEnvironment('Hopper-v5', factory)).toThrow('a name not yet taken');
    expect(() => registerEnvironment('', factory)).toThrow('a non-empty string');
    expect(() => registerEnvironment('Other', 3 as never)).toThrow('factory to be a function');
  });
});

describe('a MuJoCo environment', () => {
  test.each([
    [[1, 2], 'Expected action to be an array of 6 numbers but received Array of length 2'],
    [undefined, 'Expected action to be an array of 6 numbers but received undefined'],
    [[0, 0, NaN, 0, 0, 0], 'Expected action[2] to be a finite number but received NaN'],
    [[0, 0, 0, Infinity, 0, 0], 'Expected action[3] to be a finite number but received Infinity'],
    [[0, 0, 0, 0, 1e39, 0], 'Expected action[4] to be a finite number but received 1e+39'],
    [['a', 0, 0, 0, 0, 0], 'Expected action[0] to be a finite number but received "a"'],
  ])('refuses the action %p and stays as it was', async (action, message) => {
    const env = await makeEnv('HalfCheetah-v5');
    env.reset({ seed: 0 });
    const before = Array.from(env.qpos);
    expect(() => env.step(action as never)).toThrow(message);
    expect(Array.from(env.qpos)).toEqual(before);
    env.close();
  });

  test('refuses states of the wrong length and numbers that are none', async () => {
    const env = await makeEnv('Hopper-v5');
    const six = [0, 1, 0, 0, 0, 0];
    expect(() => env.setState([1], six)).toThrow('Expected qpos to be an array of 6 numbers');
    expect(() => env.setState(six, [1])).toThrow('Expected qvel to be an array of 6 numbers');
    expect(() => env.setState(six, [0, 0, NaN, 0, 0, 0])).toThrow('Expected qvel[2]');
    expect(() => env.setState(six, six, [1])).toThrow('Expected qaccWarmstart');
    env.close();
  });

  test.each([-1, 1.5, NaN, '3'])('refuses the seed %p', async (seed) => {
    const env = await makeEnv('Hopper-v5');
    expect(() => env.reset({ seed: seed as number })).toThrow('Expected seed to be a non-negative');
    env.close();
  });

  test('without any seed begins differently each time', async () => {
    const [one, two] = [await makeEnv('Hopper-v5'), await makeEnv('Hopper-v5')];
    expect(Array.from(one.reset())).not.toEqual(Array.from(two.reset()));
    one.close();
    two.close();
  });

  test('goes on with the random numbers of a saved state', async () => {
    const [one, two] = [await makeEnv('HalfCheetah-v5'), await makeEnv('HalfCheetah-v5')];
    expect(one.randomState).toBeUndefined();
    one.reset({ seed: 8 });
    two.randomState = one.randomState;
    expect(Array.from(two.reset())).toEqual(Array.from(one.reset()));
    one.close();
    two.close();
  });

  test('hands out copies: nothing the caller writes reaches the simulation', async () => {
    const env = await makeEnv('Hopper-v5');
    const first = env.reset({ seed: 0 });
    const state = Array.from(env.qpos);
    first.fill(7);
    env.qpos.fill(7);
    const { observation } = env.step([0, 0, 0]);
    const copy = Array.from(observation);
    env.step([1, 1, 1]);
    expect(Array.from(observation)).toEqual(copy);
    expect(state).not.toContain(7);
    env.close();
  });

  test('says so when it is used after close, however often it was closed', async () => {
    const env = await makeEnv('Hopper-v5');
    env.reset({ seed: 0 });
    env.close();
    env.close();
    const uses = [
      () => env.reset(),
      () => env.step([0, 0, 0]),
      () => env.qpos,
      () => env.qvel,
      () => env.simulation,
      () => env.setState([0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]),
    ];
    for (const use of uses) {
      expect(use).toThrow(RunError);
      expect(use).toThrow(
        'Hopper-v5 was closed and cannot be used. Make a new one with makeEnv().',
      );
    }
  });
});

describe('memory', () => {
  /** A pendulum that reserves more memory than the heap has to begin with. */
  async function makeLarge(): Promise<Environment> {
    const model = invertedPendulumModel.replace('memory="1M"', 'memory="300M"');
    expect(model).not.toBe(invertedPendulumModel);
    return makeEnv('InvertedPendulum-v5', { model });
  }

  test('an environment survives the growth of the heap', async () => {
    const env = await makeEnv('HalfCheetah-v5');
    const action = [0.1, -0.2, 0.3, -0.4, 0.5, -0.6];
    env.reset({ seed: 0 });
    const expected = [1, 2, 3].map(() => Array.from(env.step(action).observation));
    env.reset({ seed: 0 });
    const view = env.simulation.views.qpos;
    const other = await makeLarge();
    expect(view).toHaveLength(0);
    expect([1, 2, 3].map(() => Array.from(env.step(action).observation))).toEqual(expected);
    other.close();
    env.close();
  });

  test('close gives the memory back, and running out of it is said clearly', async () => {
    // The heap ends at 2 GiB: 20 times 300 MiB in turn fit only if each is freed.
    for (let k = 0; k < 20; k++) (await makeLarge()).close();
    const held: Environment[] = [];
    const hoard = async (): Promise<void> => {
      for (let k = 0; k < 8; k++) held.push(await makeLarge());
    };
    await expect(hoard()).rejects.toThrow(
      'MuJoCo could not reserve memory for another simulation. Close environments',
    );
    for (const env of held) env.close();
    (await makeLarge()).close();
  });
});
