/** The worker runs the compiled package: `npm run prepare` after a change in lib/envs. */
import { once } from 'node:events';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { makeEnv, WorkerEnvironment } from '../../dist/index.js';
import { RunFolder } from '../../lib/train/index.js';
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

  /** A task, registered as Own-v0, whose methods are given as text. */
  function ownTask(methods: string): string {
    return `
      rnm.registerEnvironment('Own-v0', () => ({
        id: 'Own-v0', observationSize: 1, actionSize: 1,
        actionLow: Float32Array.of(-1), actionHigh: Float32Array.of(1),
        reset: () => [0], close() {}, ${methods}
      }));`;
  }
  const aStep = 'observation: [0], reward: 1, terminated: false';

  test('what it writes is there at once, though both threads are busy until the process dies', () => {
    const folder = makeFolder();
    const head = `import * as rnm from '${library}';\n`;
    const task = ownTask(`step([n]) {
      console.log('out ' + n, 'x'.repeat(20_000));
      process.stderr.write('error ' + n + '\\n');
      return { ${aStep}, truncated: false };
    }`);
    const script = `
      const env = await rnm.WorkerEnvironment.create('Own-v0');
      env.reset();
      for (let n = 0; n < 20; n++) env.step([n]);
      process.kill(process.pid, 'SIGKILL');`;
    writeFileSync(join(folder, 'task.mjs'), head + task);
    writeFileSync(join(folder, 'script.mjs'), head + script);
    const args = ['--import', './task.mjs', 'script.mjs'];
    const result = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    expect(result.signal).toBe('SIGKILL');
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    const lines = numbers.map((n) => `out ${n} ${'x'.repeat(20_000)}\n`).join('');
    expect(result.stdout === lines).toBe(true);
    expect(result.stderr).toBe(numbers.map((n) => `error ${n}\n`).join(''));
  });

  test('what it does meanwhile goes on, between steps and while it waits for one', () => {
    const task = `let ticks = 0; setInterval(() => ticks++, 1).unref();
      ${ownTask(`step: () => ({ ${aStep}, reward: ticks, truncated: false })`)}`;
    const script = `
      const env = await rnm.WorkerEnvironment.create('Own-v0');
      env.reset();
      const ticks = () => env.step([0]).reward;
      const first = ticks();
      while (ticks() < first + 3); // the caller is never idle
      const before = ticks();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      console.log(ticks() > before + 3);
      env.close();`;
    expect(runScript(task, script)).toBe('true\n');
  });

  test('an error that nothing catches there is told by the next call', () => {
    const task = ownTask(`step() {
      setTimeout(() => { throw new Error('the motor has stopped'); });
      return { ${aStep}, truncated: false };
    }`);
    const script = `
      const env = await rnm.WorkerEnvironment.create('Own-v0');
      env.reset();
      try { for (;;) env.step([0]); } catch (error) { console.log(error.name, error.message); }
      try { env.reset(); } catch (error) { console.log(error.message); }`;
    expect(runScript(task, script)).toBe(
      'RunError Own-v0 ended its worker thread (exit code 1). ' +
        'An error that nothing caught: the motor has stopped\n' +
        'Own-v0 was closed: make a new environment\n',
    );
  });

  test('one that was never told its state has none, and takes none', () => {
    const script = `
      const env = await rnm.WorkerEnvironment.create('Own-v0', { size: 3 });
      env.reset();
      console.log(env.state(), JSON.stringify(env.givenOptions));
      try { env.restore({}); } catch (error) { console.log(error.name, error.message); }
      env.close();`;
    expect(runScript(ownTask('step: () => {}'), script)).toBe(
      'undefined {"size":3}\n' +
        'RunError Own-v0 has no restore(): it cannot go on in the middle of an episode\n',
    );
  });

  test.each([
    [['--input-type=module', '-e']],
    [['--input-type=commonjs', '--eval']],
    [['--expose-gc', '-e']],
    [['-p']],
  ])('works from node %j, with the tasks of --import', (flags) => {
    const folder = makeFolder();
    const task = `import * as rnm from '${library}';\n${ownTask('step: () => {}')}`;
    writeFileSync(join(folder, 'task.mjs'), task);
    const script = `import('${library}').then(async ({ WorkerEnvironment }) => {
      const env = await WorkerEnvironment.create('Own-v0');
      console.log('made', env.reset().length);
      env.close();
    });`;
    const args = ['--import', './task.mjs', ...flags, script];
    const options = { cwd: folder, encoding: 'utf8', timeout: 25_000 } as const;
    expect(execFileSync(process.execPath, args, options)).toMatch(/made 1\n$/);
  });

  test.each(['step', 'reset'])(
    'a %s that never ends does not hold up Ctrl-C',
    async (method) => {
      const folder = makeFolder();
      const task = `import * as rnm from '${library}';
        let episodes = 0, steps = 0;
        const hang = (now) => {
          if (now !== '${method}' || episodes < 20) return;
          console.error('HANGS');
          for (;;);
        };
        ${ownTask(`
          reset() { hang('reset'); episodes++; return [0]; },
          step() { hang('step'); return { ${aStep}, truncated: ++steps % 10 === 0 }; },`)}`;
      writeFileSync(join(folder, 'task.mjs'), task);
      const main = join(import.meta.dirname, '../../dist/cli/main.js');
      const sizes = ['--hidden-sizes=8', '--batch-size=8', '--learning-starts=50', '--threads=1'];
      const intervals = ['--checkpoint-interval=70', '--eval-interval=1000', '--steps=1000'];
      const command = ['train', 'Own-v0', '--overlap', '--out=run', ...sizes, ...intervals];
      const child = spawn(process.execPath, ['--import', './task.mjs', main, ...command], {
        cwd: folder,
        timeout: 45_000,
      });
      let error = '';
      child.stderr.on('data', (data: Buffer) => {
        error += data.toString();
        if (data.includes('HANGS')) child.kill('SIGINT');
      });
      // It would be killed, or fail by itself, only long after that.
      const [code, signal] = (await once(child, 'close')) as [number, string | null];
      expect({ code, signal }).toEqual({ code: 1, signal: null });
      expect(error).toMatch(/Own-v0 was still busy in its worker thread 1 s after it was to stop/);
      expect(error).toMatch(/resume run \(train --resume\)\. .*checkpoint \(step 140\) is kept/);
      expect(RunFolder.open(join(folder, 'run')).readCheckpoint().checkpoint.steps).toBe(140);
    },
    60_000,
  );
});
