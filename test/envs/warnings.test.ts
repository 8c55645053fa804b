import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { makeEnv } from '../../lib/envs/index.js';
import type { MujocoEnvironment } from '../../lib/envs/index.js';

let written: string[];
beforeEach(() => {
  written = [];
  jest.spyOn(console, 'error').mockImplementation((text) => void written.push(String(text)));
});
afterEach(() => void jest.restoreAllMocks());

async function makeCheetah(model?: (standard: string) => string): Promise<MujocoEnvironment> {
  const env = await makeEnv('HalfCheetah-v5');
  if (model === undefined) return env;
  env.close();
  return makeEnv('HalfCheetah-v5', { model: model(env.options.model) });
}

const idle = new Float32Array(6);
const tooStrong = (model: string) => model.replaceAll(/gear="[^"]*"/g, 'gear="1e15"');
const withFlag = (model: string, flag: string) =>
  model.replace(/<option([^>]*)\/>/, `<option$1><flag ${flag}/></option>`);

/** One position or velocity that no physics stands. */
const spoiled = (values: Float64Array, value: number) =>
  values.map((x, i) => (i === 0 ? value : x));

describe("MuJoCo's warnings", () => {
  test.each([0, 1, 20])('physics that blow up after %i steps are told, once', async (steps) => {
    const env = await makeCheetah();
    env.reset({ seed: 0 });
    for (let i = 0; i < steps; i++) env.step(idle);
    for (let times = 0; times < 3; times++) {
      env.setState(spoiled(env.qpos, 50), spoiled(env.qvel, 1e11));
      const { terminated, truncated } = env.step(idle);
      expect({ terminated, truncated }).toEqual({ terminated: false, truncated: false });
      // The model's initial state, one step later.
      expect(Math.abs(env.qpos[0]!)).toBeLessThan(0.1);
      expect(written).toEqual([
        expect.stringMatching(
          /^WARNING: HalfCheetah-v5: .* huge value in QVEL at DOF 0\. .* initial state and the episode/,
        ),
      ]);
    }
    env.close();
  });

  test('bad positions', async () => {
    const env = await makeCheetah();
    env.reset({ seed: 0 });
    env.setState(spoiled(env.qpos, 1e11), env.qvel);
    env.step(idle);
    expect(written).toEqual([expect.stringMatching(/value in QPOS at DOF 0/)]);
    env.close();
  });

  test('bad controls', async () => {
    const env = await makeCheetah((model) => withFlag(model, 'clampctrl="disable"'));
    env.reset({ seed: 0 });
    env.step(Float32Array.of(0, 1e11, 0, 0, 0, 0));
    expect(written).toEqual([expect.stringMatching(/value in CTRL at ACTUATOR 1/)]);
    env.close();
  });

  test.each(['reset', 'close'] as const)('those of the last step before a %s', async (end) => {
    const env = await makeCheetah(tooStrong);
    env.reset({ seed: 0 });
    env.step(idle.map(() => 1));
    // Nothing shows it from outside.
    expect(written).toEqual([]);
    env[end]();
    expect(written).toEqual([expect.stringMatching(/value in QACC at DOF/)]);
    env.close();
  });

  test('those without a sign, now and then', async () => {
    const env = await makeCheetah((model) => withFlag(tooStrong(model), 'autoreset="disable"'));
    env.reset({ seed: 0 });
    for (let i = 0; i < 40; i++) env.step(idle.map(() => 1));
    expect(written).toContainEqual(expect.stringMatching(/value in QACC at DOF/));
    expect(env.qpos.every(Number.isFinite)).toBe(false);
    env.close();
  });

  test('there are none where all is well', async () => {
    const env = await makeCheetah();
    env.reset({ seed: 0 });
    for (let i = 0; i < 100; i++) env.step(idle.map((_, j) => Math.sin(i + j)));
    env.close();
    expect(written).toEqual([]);
  });
});
