/** The worker runs the compiled package: `npm run prepare` after a change in lib/envs. */
import { afterAll, describe, expect, test } from '@jest/globals';
import { makeEnv, WorkerEnvironment } from '../../dist/index.js';

const id = 'InvertedPendulum-v5';
const envs: { close(): void }[] = [];
async function makeWorker(options: Record<string, unknown> = {}) {
  const env = await WorkerEnvironment.create(id, options);
  envs.push(env);
  return env;
}
afterAll(() => envs.forEach((env) => env.close()));

describe('an environment in a worker', () => {
  test('does what the same one does here', async () => {
    const options = { maxEpisodeSteps: 12 };
    const [here, there] = [await makeEnv(id, options), await makeWorker(options)];
    envs.push(here);
    expect(there.actionLow).toEqual(here.actionLow);
    expect(there.observationSize).toBe(here.observationSize);
    expect(there.reset({ seed: 3 })).toEqual(here.reset({ seed: 3 }));
    for (let step = 0; step < 40; step++) {
      const action = [Math.sin(step)];
      there.begin(action);
      const { info: _, ...expected } = here.step(action);
      const { info: __, ...result } = there.finish();
      expect(result).toEqual(expected);
      if (expected.terminated || expected.truncated) expect(there.reset()).toEqual(here.reset());
    }
  });

  test('errors come back, and it goes on', async () => {
    const env = await makeWorker();
    env.reset({ seed: 1 });
    expect(() => env.step([NaN])).toThrow(/finite/);
    expect(() => env.step([0, 1])).toThrow(/length 1/);
    expect(() => env.finish()).toThrow(/begin/);
    env.begin([0.5]);
    expect(() => env.begin([0.5])).toThrow(/finish/);
    expect(env.finish().reward).toBe(1);
  });

  test('unknown names and options are refused', async () => {
    await expect(WorkerEnvironment.create('Foo-v5')).rejects.toThrow(/Unknown environment/);
    await expect(makeWorker({ frames: 3 })).rejects.toThrow(/frames/);
  });

  test('a closed one is refused, and closing twice is not', async () => {
    const env = await makeWorker();
    env.begin([0]);
    env.close();
    env.close();
    expect(() => env.reset()).toThrow(/closed/);
  });
});
