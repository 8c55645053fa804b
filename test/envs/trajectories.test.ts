import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { MujocoEnvironment } from '../../lib/envs/index.js';
import { makeTask, readRecording, stepErrors, taskIds, worstError } from './reference.js';

describe.each(taskIds)('%s against Gymnasium', (id) => {
  const recording = readRecording(id);
  const { reset, action } = recording;
  let env: MujocoEnvironment;

  beforeAll(async () => {
    env = await makeTask(id);
  });
  afterAll(() => env.close());

  /** Errors of the step that begin above `limit`, with the step's number. */
  function check(k: number, limit: number): void {
    const result = env.step(action[k]!);
    const errors = stepErrors(env, result, recording, k);
    const large = Object.entries(errors).filter(([, error]) => !(error <= limit));
    expect({ k, large }).toEqual({ k, large: [] });
    expect({ k, terminated: result.terminated }).toEqual({
      k,
      terminated: recording.terminated[k],
    });
    expect(Object.keys(result.info).sort()).toEqual(Object.keys(recording.info).sort());
  }

  /** The state after step k, or the first one for -1; what derives from it is left alone. */
  function overwriteState(k: number): void {
    const { qpos, qvel, qaccWarmstart } = env.simulation.views;
    qpos.set(recording.qpos[k] ?? reset.qpos);
    qvel.set(recording.qvel[k] ?? reset.qvel);
    if (k >= 0) qaccWarmstart.set(recording.qacc_warmstart[k]!);
  }

  // Velocities are measured from positions that lag the state by one physics step, so a step is
  // replayed after the one before it, and begins in the recorded state itself.
  test('every step, from the recorded state, to 1e-9', () => {
    expect(action).toHaveLength(200);
    for (let k = 0; k < action.length; k++) {
      env.reset({ seed: 0 });
      if (k <= 1) env.setState(reset.qpos, reset.qvel);
      else
        env.setState(
          recording.qpos[k - 2]!,
          recording.qvel[k - 2]!,
          recording.qacc_warmstart[k - 2],
        );
      if (k > 0) {
        env.step(action[k - 1]!);
        overwriteState(k - 1);
      }
      check(k, 1e-9);
    }
  });

  test('40 steps on its own, from the first state, to 1e-6', () => {
    env.reset({ seed: 0 });
    const observation = env.setState(reset.qpos, reset.qvel);
    expect(worstError(observation, reset.observation)).toBeLessThan(1e-12);
    for (let k = 0; k < 40; k++) check(k, 1e-6);
  });
});
