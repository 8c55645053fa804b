import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Environment, EnvironmentState } from '../../lib/envs/index.js';

// The example names the package as a user does; here that name stands for its own random source.
jest.unstable_mockModule('rnm-td3', () => import('../../lib/random.js'), { virtual: true });

describe('the example of a custom environment', () => {
  let env: Environment;
  let PointMass: new () => Environment;

  beforeAll(async () => {
    const example = (await import('../../docs/examples/point-mass.mjs' as string)) as {
      PointMass: new () => Environment;
    };
    ({ PointMass } = example);
    env = new PointMass();
  });

  test('begins alike with the same seed', () => {
    const first = Array.from(env.reset({ seed: 3 }));
    expect(first).toHaveLength(env.observationSize);
    expect(Array.from(env.reset({ seed: 3 }))).toEqual(first);
    expect(Array.from(env.reset())).not.toEqual(first);
  });

  test('goes on from its state, through JSON, in a new one and in a used one', () => {
    const steps = (task: Environment) => {
      const results = [0.3, -1, 0.7].map((force) => task.step([force, -force]));
      return [...results, task.reset()];
    };
    env.reset({ seed: 4 });
    env.step([1, -0.5]);
    const state = JSON.parse(JSON.stringify(env.state?.())) as EnvironmentState;
    const expected = steps(env);
    for (const task of [new PointMass(), env]) {
      task.restore?.(state);
      expect(steps(task)).toEqual(expected);
    }
    const before = env.state?.();
    expect(() => env.restore?.({ ...state, target: [1, null] })).toThrow(/finite vectors/);
    expect(() => env.restore?.({ ...state, random: null })).toThrow(/words/);
    expect(env.state?.()).toEqual(before);
  });

  test('is truncated after 200 steps of drifting', () => {
    env.reset({ seed: 1 });
    for (let k = 1; k < 200; k++) {
      expect(env.step([1, 1])).toMatchObject({ terminated: false, truncated: false });
    }
    expect(env.step([1, 1])).toMatchObject({ terminated: false, truncated: true });
  });

  test('terminates with a bonus where a simple controller brings it to rest on the target', () => {
    let observation = env.reset({ seed: 2 });
    for (let k = 0; k < 200; k++) {
      const [, , vx, vy, dx, dy] = Array.from(observation) as [
        ...[number, number, number],
        ...[number, number, number],
      ];
      const result = env.step([4 * dx - 4 * vx, 4 * dy - 4 * vy]);
      const distance = Math.hypot(result.observation[4]!, result.observation[5]!);
      expect(result.info['distance']).toBeCloseTo(distance, 12);
      if (result.terminated) {
        expect(result.reward).toBe(10);
        expect(distance).toBeLessThan(0.05);
        return;
      }
      expect(result.reward).toBeCloseTo(-distance, 12);
      observation = result.observation;
    }
    throw new Error('The target was not reached');
  });
});
