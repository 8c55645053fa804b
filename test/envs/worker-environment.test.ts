/** The worker runs the compiled package: `npm run prepare` after a change in lib/envs. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { makeEnv, WorkerEnvironment } from '../../dist/index.js';
import { temporaryFolders } from '../support/temporary-folder.js';

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
    expect(() => env.reset(null as never)).toThrow(/options of reset to be an object/);
    env.begin([0.5]);
    expect(() => env.begin([0.5])).toThrow(/finish/);
    expect(env.finish().reward).toBe(1);
  });

  test('unknown names and options are refused', async () => {
    await expect(WorkerEnvironment.create('Foo-v5')).rejects.toThrow(/Unknown environment/);
    await expect(makeWorker({ frames: 3 })).rejects.toThrow(/frames/);
    await expect(makeWorker({ frameSkip: () => 1 })).rejects.toThrow(
      /options of InvertedPendulum-v5 to be data that a worker can get .* could not be cloned/,
    );
  });

  test('a closed one is refused, and closing twice is not', async () => {
    const env = await makeWorker();
    env.begin([0]);
    env.close();
    env.close();
    expect(() => env.reset()).toThrow(/closed/);
  });
});

describe("a task of one's own in a worker", () => {
  const makeFolder = temporaryFolders();
  const library = pathToFileURL(join(import.meta.dirname, '../../dist/index.js')).href;

  /** Run a script with tasks registered in every thread, and return what it prints. */
  function runScript(task: string, script: string): string {
    const folder = makeFolder();
    const head = `import * as rnm from '${library}';\n`;
    writeFileSync(join(folder, 'task.mjs'), head + task);
    writeFileSync(join(folder, 'script.mjs'), head + script);
    const args = ['--import', './task.mjs', 'script.mjs'];
    return execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8', timeout: 25_000 });
  }

  test('an observation of the wrong length is an error, not a mixture of two', () => {
    const task = `
      rnm.registerEnvironment('Short-v0', () => ({
        id: 'Short-v0', observationSize: 3, actionSize: 1,
        actionLow: Float32Array.of(-1), actionHigh: Float32Array.of(1),
        reset: () => new Float64Array(3).fill(1),
        step: ([action]) => ({
          observation: new Float64Array(action), reward: 0, terminated: false, truncated: false,
        }),
        close() {},
      }));`;
    const script = `
      const env = await rnm.WorkerEnvironment.create('Short-v0');
      console.log(env.reset().join());
      for (const length of [3, 2, 4]) {
        try { console.log(env.step([length]).observation.join()); }
        catch (error) { console.log(error.message); }
      }
      env.close();`;
    const expected = 'Expected the observation of Short-v0 to be an array of length 3 ';
    const received = (length: number) =>
      `${expected}(observationSize) but received Float64Array of length ${length}`;
    const lines = ['1,1,1', '0,0,0', received(2), received(4)];
    expect(runScript(task, script)).toBe(`${lines.join('\n')}\n`);
  });

  test('one that ends its worker at once is an error', () => {
    const task = `rnm.registerEnvironment('Gone-v0', () => process.exit(3));`;
    const script = `
      const error = await rnm.WorkerEnvironment.create('Gone-v0').catch((reason) => reason);
      console.log(error.name, error.message);`;
    expect(runScript(task, script)).toMatch(
      /^RunError The worker thread of Gone-v0 ended \(exit code 3\) before it had made it/,
    );
  });

  test('one that ends its worker in the middle is an error at once', () => {
    const task = `
      rnm.registerEnvironment('Going-v0', () => ({
        id: 'Going-v0', observationSize: 1, actionSize: 1,
        actionLow: Float32Array.of(-1), actionHigh: Float32Array.of(1),
        reset: () => [0], step: () => process.exit(4), close() {},
      }));`;
    const script = `
      const env = await rnm.WorkerEnvironment.create('Going-v0');
      env.reset();
      for (const method of ['step', 'step', 'reset']) {
        try { env[method]([0]); } catch (error) { console.log(error.name, error.message); }
      }
      env.close();`;
    const closed = 'RunError Going-v0 was closed: make a new environment';
    const ended =
      'RunError Going-v0 ended its worker thread (exit code 4). Does it call process.exit()?';
    expect(runScript(task, script)).toBe(`${[ended, closed, closed].join('\n')}\n`);
  });
});
