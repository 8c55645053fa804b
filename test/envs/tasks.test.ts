import { afterEach, describe, expect, test } from '@jest/globals';
import { makeEnv } from '../../lib/envs/index.js';
import type { MujocoEnvironment, StepResult, TaskId, TaskOptions } from '../../lib/envs/index.js';
import { readRecording, specifications, taskIds } from './reference.js';

const open: MujocoEnvironment[] = [];

/** An environment that is closed after the test. */
async function make<Id extends TaskId>(
  id: Id,
  options: Partial<TaskOptions[Id]> = {},
): Promise<MujocoEnvironment> {
  const env = (await makeEnv(id, options)) as unknown as MujocoEnvironment;
  open.push(env);
  return env;
}

afterEach(() => {
  for (const env of open.splice(0)) env.close();
});

/** A step of the recording at which the task is healthy and, if it has contact forces, in contact. */
function tellingStep(id: TaskId): number {
  if (id === 'InvertedDoublePendulum-v5') return 3;
  return id === 'Humanoid-v5' ? 12 : 18;
}

/** Play the recording's step before the telling one, and then that one or another action. */
function play(env: MujocoEnvironment, id: TaskId, action?: readonly number[]): StepResult {
  const recording = readRecording(id);
  const k = tellingStep(id);
  env.reset({ seed: 0 });
  env.setState(recording.qpos[k - 2]!, recording.qvel[k - 2]!, recording.qacc_warmstart[k - 2]);
  env.step(recording.action[k - 1]!);
  return env.step(action ?? recording.action[k]!);
}

describe('reset', () => {
  /** Scale and kind of the noise; Reacher and Pusher have rules of their own. */
  const noise: [TaskId, number, 'uniform' | 'normal'][] = [
    ['Ant-v5', 0.1, 'normal'],
    ['HalfCheetah-v5', 0.1, 'normal'],
    ['Hopper-v5', 0.005, 'uniform'],
    ['Humanoid-v5', 0.01, 'uniform'],
    ['HumanoidStandup-v5', 0.01, 'uniform'],
    ['InvertedDoublePendulum-v5', 0.1, 'normal'],
    ['InvertedPendulum-v5', 0.01, 'uniform'],
    ['Swimmer-v5', 0.1, 'uniform'],
    ['Walker2d-v5', 0.005, 'uniform'],
  ];

  /** Greatest magnitude and variance of a list of deviations. */
  function spread(values: readonly number[]): { most: number; variance: number } {
    const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
    return { most: Math.max(...values.map(Math.abs)), variance };
  }

  test.each(taskIds)('%s begins alike with the same seed', async (id) => {
    const [one, two] = [await make(id), await make(id)];
    const first = one.reset({ seed: 5 });
    one.step(new Float32Array(one.actionSize).fill(0.3));
    expect(Array.from(two.reset({ seed: 5 }))).toEqual(Array.from(first));
    expect(Array.from(one.reset({ seed: 5 }))).toEqual(Array.from(first));
    expect(Array.from(one.reset({ seed: 6 }))).not.toEqual(Array.from(first));
    const next = one.reset();
    two.reset({ seed: 6 });
    expect(Array.from(two.reset())).toEqual(Array.from(next));
    expect(Array.from(next)).not.toEqual(Array.from(first));
  });

  test.each(noise)('%s draws positions within %p and velocities %s', async (id, scale, kind) => {
    const env = await make(id);
    const { init_qpos: initial } = specifications[id] as unknown as { init_qpos: number[] };
    const positions: number[] = [];
    const velocities: number[] = [];
    env.reset({ seed: 1 });
    while (velocities.length < 3000) {
      positions.push(...env.qpos.map((value, i) => value - initial[i]!));
      velocities.push(...env.qvel);
      env.reset();
    }
    const qpos = spread(positions);
    const qvel = spread(velocities);
    expect(qpos.most).toBeLessThanOrEqual(scale * (1 + 1e-9));
    expect(qpos.variance / (scale ** 2 / 3)).toBeCloseTo(1, 0.9);
    if (kind === 'uniform') {
      expect(qvel.most).toBeLessThanOrEqual(scale);
      expect(qvel.variance / (scale ** 2 / 3)).toBeCloseTo(1, 0.9);
    } else {
      expect(qvel.most).toBeGreaterThan(2.5 * scale);
      expect(qvel.variance / scale ** 2).toBeCloseTo(1, 0.9);
    }
  });

  test('Reacher-v5 draws targets within reach that stand still', async () => {
    const env = await make('Reacher-v5');
    const distances: number[] = [];
    env.reset({ seed: 1 });
    for (let k = 0; k < 300; k++) {
      const { qpos, qvel } = env;
      expect(Math.max(Math.abs(qpos[0]!), Math.abs(qpos[1]!))).toBeLessThanOrEqual(0.1);
      expect(Math.max(Math.abs(qvel[0]!), Math.abs(qvel[1]!))).toBeLessThanOrEqual(0.005);
      expect(Array.from(qvel.subarray(2))).toEqual([0, 0]);
      distances.push(Math.hypot(qpos[2]!, qpos[3]!));
      env.reset();
    }
    expect(Math.max(...distances)).toBeLessThan(0.2);
    // Evenly over a disc: half of the targets lie beyond 0.2 / sqrt(2).
    const far = distances.filter((distance) => distance > 0.2 / Math.SQRT2).length;
    expect(Math.abs(far / 300 - 0.5)).toBeLessThan(0.1);
  });

  test('Pusher-v5 draws cylinders off the goal that stand still', async () => {
    const env = await make('Pusher-v5');
    env.reset({ seed: 1 });
    for (let k = 0; k < 300; k++) {
      const { qpos, qvel } = env;
      const [y, x] = [qpos[7]!, qpos[8]!];
      expect(Math.hypot(y, x)).toBeGreaterThan(0.17);
      expect(y).toBeLessThanOrEqual(0);
      expect(y).toBeGreaterThanOrEqual(-0.3);
      expect(Math.abs(x)).toBeLessThanOrEqual(0.2);
      expect(Array.from(qpos.subarray(0, 7))).toEqual(Array(7).fill(0));
      expect(Array.from(qpos.subarray(9))).toEqual([0, 0]);
      expect(Math.max(...qvel.subarray(0, 7).map(Math.abs))).toBeLessThanOrEqual(0.005);
      expect(Array.from(qvel.subarray(7))).toEqual([0, 0, 0, 0]);
      env.reset();
    }
  });
});

describe('an episode', () => {
  test.each(taskIds)('%s is truncated at its limit, not before', async (id) => {
    const env = await make(id, { maxEpisodeSteps: 3 });
    const action = new Float32Array(env.actionSize);
    for (let episode = 0; episode < 2; episode++) {
      env.reset({ seed: 0 });
      expect([1, 2, 3].map(() => env.step(action).truncated)).toEqual([false, false, true]);
    }
  });

  test('of Reacher-v5 lasts 50 steps by default', async () => {
    const env = await make('Reacher-v5');
    env.reset({ seed: 0 });
    let steps = 0;
    do steps += 1;
    while (!env.step([0, 0]).truncated);
    expect(steps).toBe(50);
  });

  test('of Hopper-v5 terminates on the floor', async () => {
    const env = await make('Hopper-v5');
    env.reset({ seed: 0 });
    let result = env.step([1, 1, 1]);
    while (!result.terminated && !result.truncated) result = env.step([1, 1, 1]);
    expect(result).toMatchObject({ terminated: true, truncated: false });
    expect(result.info['reward_survive']).toBe(0);
  });
});

describe('actions beyond the range', () => {
  // Cost in single precision, in NumPy's order of additions: with eight terms it is a tree.
  const { fround } = Math;
  const square = (value: number): number => fround(fround(value) * fround(value));

  test.each([
    ['HalfCheetah-v5', 0.1, 'reward_ctrl'],
    ['Swimmer-v5', 1e-4, 'reward_ctrl'],
    ['Pusher-v5', 0.1, 'reward_ctrl'],
  ] as const)('%s charges them in full and applies the limit', async (id, weight, term) => {
    const [one, two] = [await make(id), await make(id)];
    const beyond = Array.from(one.actionHigh, (high, i) => (i % 2 === 0 ? 1.7 : -2.3) * high);
    const limit = Array.from(one.actionHigh, (high, i) => (i % 2 === 0 ? high : -high));
    const result = play(one, id, beyond);
    play(two, id, limit);
    expect(Array.from(one.qvel)).toEqual(Array.from(two.qvel));
    let sum = 0;
    for (const value of beyond) sum = fround(sum + square(value));
    expect(result.info[term]).toBe(-fround(fround(weight) * sum));
  });

  test('Ant-v5 adds eight squares as a tree', async () => {
    const env = await make('Ant-v5');
    const action = [1.5, -0.3, 2.7, 0.11, -1.9, 0.77, 3.1, -0.013];
    const [a, b, c, d, e, f, g, h] = action.map(square) as [
      ...[number, number, number, number],
      ...[number, number, number, number],
    ];
    const left = fround(fround(a + b) + fround(c + d));
    const right = fround(fround(e + f) + fround(g + h));
    const cost = fround(0.5 * fround(left + right));
    expect(play(env, 'Ant-v5', action).info['reward_ctrl']).toBe(-cost);
  });

  test('Humanoid-v5 charges them in double precision', async () => {
    const env = await make('Humanoid-v5');
    const action = Array.from({ length: 17 }, (_, i) => 0.1 * i - 0.7);
    const sum = action.reduce((total, value) => total + fround(value) ** 2, 0);
    expect(play(env, 'Humanoid-v5', action).info['reward_ctrl']).toBeCloseTo(-0.1 * sum, 14);
  });
});

describe('options', () => {
  /** Option, its new value, and the term of the reward it scales by that over the default. */
  const weights: [TaskId, string, number, string][] = [
    ['Ant-v5', 'forwardRewardWeight', 3, 'reward_forward'],
    ['Ant-v5', 'ctrlCostWeight', 2, 'reward_ctrl'],
    ['Ant-v5', 'contactCostWeight', 0.25, 'reward_contact'],
    ['Ant-v5', 'healthyReward', 7, 'reward_survive'],
    ['HalfCheetah-v5', 'forwardRewardWeight', 2.5, 'reward_forward'],
    ['HalfCheetah-v5', 'ctrlCostWeight', 0.7, 'reward_ctrl'],
    ['Hopper-v5', 'forwardRewardWeight', 4, 'reward_forward'],
    ['Hopper-v5', 'ctrlCostWeight', 0.5, 'reward_ctrl'],
    ['Hopper-v5', 'healthyReward', 3, 'reward_survive'],
    ['Humanoid-v5', 'forwardRewardWeight', 5, 'reward_forward'],
    ['Humanoid-v5', 'ctrlCostWeight', 0.5, 'reward_ctrl'],
    ['Humanoid-v5', 'contactCostWeight', 1e-6, 'reward_contact'],
    ['Humanoid-v5', 'healthyReward', 2, 'reward_survive'],
    ['HumanoidStandup-v5', 'uphCostWeight', 2, 'reward_linup'],
    ['HumanoidStandup-v5', 'ctrlCostWeight', 0.5, 'reward_quadctrl'],
    ['HumanoidStandup-v5', 'impactCostWeight', 1e-7, 'reward_impact'],
    ['InvertedDoublePendulum-v5', 'healthyReward', 3, 'reward_survive'],
    ['Pusher-v5', 'rewardNearWeight', 2, 'reward_near'],
    ['Pusher-v5', 'rewardDistWeight', 3, 'reward_dist'],
    ['Pusher-v5', 'rewardControlWeight', 0.5, 'reward_ctrl'],
    ['Reacher-v5', 'rewardDistWeight', 3, 'reward_dist'],
    ['Reacher-v5', 'rewardControlWeight', 0.5, 'reward_ctrl'],
    ['Swimmer-v5', 'forwardRewardWeight', 2, 'reward_forward'],
    ['Swimmer-v5', 'ctrlCostWeight', 0.5, 'reward_ctrl'],
    ['Walker2d-v5', 'forwardRewardWeight', 2, 'reward_forward'],
    ['Walker2d-v5', 'ctrlCostWeight', 0.5, 'reward_ctrl'],
    ['Walker2d-v5', 'healthyReward', 3, 'reward_survive'],
  ];

  test.each(weights)('%s: %s = %p scales %s and the reward', async (id, option, value, term) => {
    const standard = await make(id);
    const changed = await make(id, { [option]: value });
    expect(changed.options).toMatchObject({ [option]: value });
    const before = play(standard, id);
    const after = play(changed, id);
    const factor = value / (standard.options as unknown as Record<string, number>)[option]!;
    expect(Math.abs(before.info[term]!)).toBeGreaterThan(0);
    const ratio = after.info[term]! / before.info[term]!;
    expect(ratio / factor).toBeCloseTo(1, 6);
    const difference = after.info[term]! - before.info[term]!;
    expect(after.reward - before.reward).toBeCloseTo(difference, 6);
  });

  test.each([
    ['Ant-v5', 2],
    ['HalfCheetah-v5', 1],
    ['Hopper-v5', 1],
    ['Humanoid-v5', 2],
    ['HumanoidStandup-v5', 2],
    ['Swimmer-v5', 2],
    ['Walker2d-v5', 1],
  ] as const)('%s can show its %p current positions', async (id, positions) => {
    const standard = await make(id);
    const env = await make(id, { excludeCurrentPositionsFromObservation: false });
    expect(env.observationSize).toBe(standard.observationSize + positions);
    const observation = env.reset({ seed: 3 });
    expect(Array.from(observation.subarray(0, positions))).toEqual(
      Array.from(env.qpos.subarray(0, positions)),
    );
    expect(Array.from(observation.subarray(positions))).toEqual(
      Array.from(standard.reset({ seed: 3 })),
    );
  });

  test.each([
    ['Ant-v5', 'includeCfrcExtInObservation', 78],
    ['Humanoid-v5', 'includeCinertInObservation', 130],
    ['Humanoid-v5', 'includeCvelInObservation', 78],
    ['Humanoid-v5', 'includeQfrcActuatorInObservation', 17],
    ['Humanoid-v5', 'includeCfrcExtInObservation', 78],
    ['HumanoidStandup-v5', 'includeCfrcExtInObservation', 78],
  ] as const)('%s: without %s the observation is %p shorter', async (id, option, length) => {
    const standard = await make(id);
    const env = await make(id, { [option]: false });
    expect(env.observationSize).toBe(standard.observationSize - length);
    const whole = Array.from(play(standard, id).observation);
    const part = Array.from(play(env, id).observation);
    const start = part.findIndex((value, i) => value !== whole[i]);
    const cut = start < 0 ? part.length : start;
    expect(part.slice(cut)).toEqual(whole.slice(cut + length));
  });

  test.each([
    ['Ant-v5', { resetNoiseScale: 0 }],
    ['Walker2d-v5', { resetNoiseScale: 0 }],
    ['InvertedPendulum-v5', { resetNoiseScale: 0 }],
  ] as const)('%s begins in its initial state without noise', async (id, options) => {
    const env = await make(id, options);
    env.reset({ seed: 0 });
    const { init_qpos: initial } = specifications[id] as unknown as { init_qpos: number[] };
    expect(Array.from(env.qpos)).toEqual(initial);
    expect(Math.max(...env.qvel.map(Math.abs))).toBe(0);
  });

  test('frameSkip sets the length of a step', async () => {
    const env = await make('HalfCheetah-v5', { frameSkip: 1 });
    expect(env.dt).toBeCloseTo(0.01, 15);
    env.reset({ seed: 0 });
    const before = env.qpos[0]!;
    const { info } = env.step([1, 1, 1, 1, 1, 1]);
    expect(info['x_velocity']).toBeCloseTo((env.qpos[0]! - before) / 0.01, 10);
  });

  test.each([
    ['Hopper-v5', {}, 1.25, 0, false],
    ['Hopper-v5', { healthyZRange: [1.3, 2] }, 1.25, 0, true],
    ['Hopper-v5', {}, 1.25, 0.25, true],
    ['Hopper-v5', { healthyAngleRange: [-0.3, 0.3] }, 1.25, 0.25, false],
    ['Hopper-v5', { healthyStateRange: [-1e-3, 1e-3] }, 1.25, 0, true],
    ['Hopper-v5', { terminateWhenUnhealthy: false }, 1.25, 0.25, false],
    ['Walker2d-v5', {}, 2.5, 0, true],
    ['Walker2d-v5', { healthyZRange: [0.8, 3] }, 2.5, 0, false],
    ['Walker2d-v5', {}, 1.25, -1.1, true],
    ['Walker2d-v5', { healthyAngleRange: [-2, 2] }, 1.25, -1.1, false],
    ['Walker2d-v5', { terminateWhenUnhealthy: false }, 1.25, -1.1, false],
  ] as const)('%s %j at height %p and angle %p', async (id, options, height, angle, terminated) => {
    const env = await make(id, options as object);
    env.reset({ seed: 0 });
    const qpos = new Float64Array(env.qpos.length);
    qpos[1] = height;
    qpos[2] = angle;
    env.setState(qpos, new Float64Array(env.qvel.length));
    expect(env.step(new Float32Array(env.actionSize)).terminated).toBe(terminated);
  });

  test.each([
    ['Ant-v5', {}, 1.2, true],
    ['Ant-v5', { healthyZRange: [0.2, 2] }, 1.2, false],
    ['Ant-v5', { terminateWhenUnhealthy: false }, 1.2, false],
    ['Humanoid-v5', {}, 2.5, true],
    ['Humanoid-v5', { healthyZRange: [1, 3] }, 2.5, false],
    ['Humanoid-v5', { terminateWhenUnhealthy: false }, 2.5, false],
  ] as const)('%s %j with the torso at %p', async (id, options, height, terminated) => {
    const env = await make(id, options as object);
    env.reset({ seed: 0 });
    const { qpos } = env;
    qpos[2] = height;
    env.setState(qpos, new Float64Array(env.qvel.length));
    const { info, ...result } = env.step(new Float32Array(env.actionSize));
    expect(result.terminated).toBe(terminated);
    const healthy = !terminated && !('terminateWhenUnhealthy' in options);
    expect(info['reward_survive']! > 0).toBe(healthy);
  });

  test('Ant-v5 clips contact forces to contactForceRange', async () => {
    const standard = play(await make('Ant-v5'), 'Ant-v5');
    const narrow = play(await make('Ant-v5', { contactForceRange: [-0.1, 0.2] }), 'Ant-v5');
    const forces = standard.observation.subarray(27);
    expect(Math.max(...forces.map(Math.abs))).toBeGreaterThan(0.2);
    expect(Math.max(...forces.map(Math.abs))).toBeLessThanOrEqual(1);
    expect(Array.from(narrow.observation.subarray(27))).toEqual(
      Array.from(forces, (force) => Math.min(Math.max(force, -0.1), 0.2)),
    );
    const cost = narrow.observation.subarray(27).reduce((sum, force) => sum + force ** 2, 0);
    // The observation leaves the world out, the cost does not.
    expect(-narrow.info['reward_contact']!).toBeGreaterThanOrEqual(5e-4 * cost);
  });

  test('Ant-v5 takes the main body by name or number', async () => {
    const velocity = async (mainBody: string | number): Promise<number> =>
      play(await make('Ant-v5', { mainBody }), 'Ant-v5').info['x_velocity']!;
    expect(await velocity('torso')).toBe(await velocity(1));
    expect(await velocity('aux_1')).toBe(await velocity(3));
    expect(await velocity(3)).not.toBe(await velocity(1));
    await expect(make('Ant-v5', { mainBody: 'tail' })).rejects.toThrow(
      'Expected mainBody to be the name of a body or an integer from 0 to 13 but received "tail"',
    );
  });

  test('the humanoids clip the cost of contact', async () => {
    const walking = await make('Humanoid-v5', { contactCostRange: [20, 30] });
    expect(play(walking, 'Humanoid-v5').info['reward_contact']).toBe(-20);
    const rising = await make('HumanoidStandup-v5', { impactCostRange: [0, 1e-9] });
    expect(play(rising, 'HumanoidStandup-v5').info['reward_impact']).toBe(-1e-9);
  });

  test('a model of your own takes the place of the built-in one', async () => {
    const standard = await make('HalfCheetah-v5');
    const model = standard.options.model.replace('gravity="0 0 -9.81"', 'gravity="0 0 0"');
    expect(model).not.toBe(standard.options.model);
    const floating = await make('HalfCheetah-v5', { model });
    for (const env of [standard, floating]) {
      env.reset({ seed: 0 });
      env.setState(new Float64Array(9).fill(0, 0), new Float64Array(9));
      for (let k = 0; k < 5; k++) env.step([0, 0, 0, 0, 0, 0]);
    }
    expect(Math.abs(floating.qpos[1]!)).toBeLessThan(1e-9);
    expect(standard.qpos[1]!).toBeLessThan(-0.01);
  });

  test('a camera is kept, and no part of the physics', async () => {
    const env = await make('Swimmer-v5', { defaultCameraConfig: { distance: 9 } });
    expect(env.options.defaultCameraConfig).toEqual({ distance: 9 });
  });
});
