/** Training from the command line, and what can be done with its run folder afterwards. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { makeEnv, registerEnvironment } from '../../lib/envs/index.js';
import { RunFolder, decodeSafetensors, evaluate } from '../../lib/train/index.js';
import { decodePolicy, forwardPolicy } from '../support/policy.js';
import { temporaryFolders } from '../support/temporary-folder.js';
import { runCommand, smallRun } from './support.js';

// A run takes a second or two, and far more on a busy machine.
jest.setTimeout(60_000);

const makeFolder = temporaryFolders();

function parseLines(text: string): Record<string, unknown>[] {
  const lines = text.trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function trainInto(folder: string, ...args: string[]): Promise<string> {
  const out = join(folder, 'run');
  const { code, err } = await runCommand(...smallRun, '--out', out, ...args);
  expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('Training Inverted') });
  return out;
}

describe('rnm-td3 train', () => {
  test('says what it does, what came out, where it is, and what to try next', async () => {
    const out = join(makeFolder(), 'run');
    const result = await runCommand(...smallRun, '--out', out, '--threads', '1');
    expect(result.code).toBe(0);
    expect(result.err).not.toContain('warning');
    expect(result.err).toMatch(
      /^Training InvertedPendulum-v5 for 300 steps: 2:4,2:4,dense, seed 0, CPU .*, 1 thread$/m,
    );
    expect(result.err).toMatch(/^100% {2}300\/300 {2}done {2}return \d+\.0 .* updates\/s\n$/m);
    expect(result.out).toMatch(
      /^Trained 300 steps of InvertedPendulum-v5 \(2:4,2:4,dense\) in \d+s, at [\d,]+ steps\/s; evaluations took \d+s\.$/m,
    );
    expect(result.out).toMatch(/^ {2}Evaluation +[\d.]+ ± [\d.]+ over 2 episodes at step 300$/m);
    expect(result.out).toContain(`npx rnm-td3 eval ${out}\n`);
    for (const name of ['policy.safetensors', 'learning-curve.png']) {
      expect(result.out).toContain(join(out, name));
      expect(existsSync(join(out, name))).toBe(true);
    }
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as object;
    expect(config).toMatchObject({
      env: 'InvertedPendulum-v5',
      steps: 300,
      envOptions: {},
      overlap: false,
      envs: 1,
      agent: { sparsity: '2:4', hiddenSizes: [16, 16], maskInterval: '50 + t / 10' },
    });
  });

  test('what to try next can be copied into a shell, whatever the folder is called', async () => {
    const out = join(makeFolder(), "it's a run");
    const { code, out: text } = await runCommand(...smallRun, '--steps=90', '--out', out);
    expect(code).toBe(0);
    const [, command = ''] = /^ {2}npx rnm-td3 (export .*)$/m.exec(text) ?? [];
    const script = `printf '%s|' ${command}`;
    expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(
      `export|${out}|--format|onnx|`,
    );
  });

  test('--json prints events as lines and nothing else', async () => {
    const folder = makeFolder();
    const { code, out, err } = await runCommand(...smallRun, '--out', join(folder, 'r'), '--json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const lines = parseLines(out);
    expect(lines[0]).toMatchObject({ event: 'start', config: { batchSize: 16, seed: 0 } });
    expect(lines.find(({ event }) => event === 'progress')).toMatchObject({ steps: 300 });
    const evaluations = lines.filter(({ event }) => event === 'evaluation');
    expect(evaluations.map(({ step }) => step)).toEqual([150, 300]);
    expect(lines.at(-1)).toMatchObject({
      event: 'summary',
      steps: 300,
      updates: 201,
      finished: true,
      interrupted: false,
    });
  });

  test('the same seed gives the same run, bit for bit, with any number of threads', async () => {
    const [a, b, c] = [makeFolder(), makeFolder(), makeFolder()];
    const policies = [
      await trainInto(a, '--threads=1'),
      await trainInto(b, '--threads=2'),
      await trainInto(c, '--seed=1'),
    ].map((run) => readFileSync(join(run, 'policy.safetensors')));
    expect(policies[1]?.equals(policies[0]!)).toBe(true);
    expect(policies[2]?.equals(policies[0]!)).toBe(false);
  });

  test("a run's config.json makes the run again", async () => {
    const first = await trainInto(makeFolder(), '--seed=3');
    const again = join(makeFolder(), 'again');
    const config = join(first, 'config.json');
    const { code } = await runCommand('train', '--config', config, '--out', again);
    expect(code).toBe(0);
    const policy = (run: string) => readFileSync(join(run, 'policy.safetensors'));
    expect(policy(again).equals(policy(first))).toBe(true);
  });

  test("a flag wins over what a run's config.json has, and what follows it goes along", async () => {
    const first = await trainInto(makeFolder(), '--steps=90', '--critic-sparsity=1:4');
    const again = join(makeFolder(), 'again');
    const config = join(first, 'config.json');
    const flags = ['--sparsity=1:8', '--learning-rate=1e-3', '--mask-rule=random'];
    const { code } = await runCommand('train', '--config', config, ...flags, '--out', again);
    expect(code).toBe(0);
    const { agent, chosen } = JSON.parse(readFileSync(join(again, 'config.json'), 'utf8')) as {
      agent: object;
      chosen: string[];
    };
    expect(agent).toMatchObject({
      sparsity: '1:8',
      actorSparsity: '1:8',
      criticSparsity: '1:4',
      actorLearningRate: 1e-3,
      criticLearningRate: 1e-3,
      maskRule: 'random',
      targetMask: 'follow',
    });
    expect(chosen).toEqual(expect.arrayContaining(['sparsity', 'criticSparsity', 'hiddenSizes']));
    expect(chosen).not.toContain('actorSparsity');
    expect(chosen).not.toContain('tau');
  });

  test.each([
    [
      { format: 1 },
      /format in .* to be "rnm-td3-run\/1" but received 1 of type number. Leave it out/,
    ],
    [{ agent: 5 }, /agent in .* to be an object with the agent's options but received 5/],
    [{ agent: [] }, /agent in .* to be an object/],
    [{ chosen: 'tau' }, /chosen in .* to be a list of names of options but received "tau"/],
    [
      { stepz: 3 },
      /option name in .* to be a known one but received "stepz". Did you mean steps\?/,
    ],
    [
      { agent: { batchSice: 3 } },
      /, agent to be a known one but received "batchSice". Did you mean/,
    ],
  ])("a run's config.json with %j is refused", async (change, message) => {
    const folder = makeFolder();
    const config = join(folder, 'config.json');
    const run = { format: 'rnm-td3-run/1', env: 'InvertedPendulum-v5', steps: 3, agent: {} };
    writeFileSync(config, JSON.stringify({ ...run, ...change }));
    const out = join(folder, 'run');
    const result = await runCommand('train', '--config', config, '--out', out);
    expect(result).toEqual({ code: 1, out: '', err: expect.stringMatching(message) });
    expect(existsSync(out)).toBe(false);
  });

  test.each([
    [['NoSuchTask-v5'], 'NoSuchTask-v5'],
    [['Hopper-v5', '--env-options={"ctrlCostWieght": 1}'], 'ctrlCostWieght'],
    [['Hopper-v5', '--threads=100000'], 'threads'],
    [['Hopper-v5', '--envs=1000'], '--envs to be an integer from 1 to 256'],
    [['Hopper-v5', '--batch-size=100000000000'], '--batch-size'],
    [['Hopper-v5', '--batch-size=2000000000'], 'Not enough memory: .* for batches'],
    [['Hopper-v5', '--sparsity=1:8', '--mask-shape=transposable'], '--sparsity to be N:4'],
  ])('%j is one line of error that names the value', async (args, name) => {
    const { code, out, err } = await runCommand('train', ...args);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(new RegExp(`^error: .*${name}.*\\n$`));
  });

  test('an error that nobody foresaw is shown with its stack, and a word on reporting it', async () => {
    registerEnvironment('Broken-v0', () => {
      throw new Error('the task is broken');
    });
    const { code, out, err } = await runCommand('train', 'Broken-v0');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^error: the task is broken\n +at .*Please report it/s);
  });

  test('a run without any update says so, before and after, and what to change', async () => {
    const out = join(makeFolder(), 'run');
    const result = await runCommand(...smallRun, '--out', out, '--learning-starts=301');
    expect(result.code).toBe(0);
    expect(result.err).toMatch(
      /^warning: No update will be made: all 300 steps are warm-up \(--learning-starts 301\)\./m,
    );
    expect(result.out).toMatch(/^Took 300 steps of .* \(2:4,2:4,dense\), without any update, in /m);
    expect(result.out).toMatch(/^ {2}Note +No update was made.*, or lower --learning-starts$/m);
  });

  test('a folder that holds something is left alone', async () => {
    const folder = makeFolder();
    writeFileSync(join(folder, 'mine.txt'), 'x');
    const { code, err } = await runCommand(...smallRun, '--out', folder);
    expect(code).toBe(1);
    expect(err).toMatch(
      /^error: Expected .* to be a new or empty folder but it holds other files/m,
    );
  });
});

describe('with a run', () => {
  test('masks keep their shape in checkpoints, and eval goes on with them', async () => {
    const run = await trainInto(makeFolder(), '--mask-shape=transposable');
    const config = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ agent: { maskShape: 'transposable' } });
    const checkpoint = readFileSync(join(run, 'checkpoints', 'latest.safetensors'));
    const { data, shape } = decodeSafetensors(checkpoint).tensors['critic2_target.1.mask']!;
    expect(shape).toEqual([16, 16]);
    for (let column = 0; column < 16; column++) {
      const active = [0, 4, 8, 12].map((top) =>
        [0, 1, 2, 3].reduce((sum, row) => sum + Number(data[(top + row) * 16 + column]), 0),
      );
      expect(active).toEqual([2, 2, 2, 2]);
    }
    expect(await runCommand('eval', run, '--episodes=1')).toMatchObject({ code: 0, err: '' });
  });

  test('eval shows every episode and their mean', async () => {
    const run = await trainInto(makeFolder());
    const { code, out, err } = await runCommand('eval', run, '--episodes=3', '--threads=1');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^InvertedPendulum-v5 after 300 steps of training$/m);
    expect(out).toMatch(/^ +1 +[\d.]+ +\d+$\n^ +2 +[\d.]+ +\d+$\n^ +3 +[\d.]+ +\d+$/m);
    expect(out).toMatch(/^Mean return [\d.]+ ± [\d.]+, from [\d.]+ to [\d.]+$/m);
  });

  test('eval --json is one object; the seed decides the episodes', async () => {
    const run = await trainInto(makeFolder());
    const evaluate = async (seed: number) => {
      const { out } = await runCommand('eval', run, '--json', '--episodes=2', `--seed=${seed}`);
      return JSON.parse(out) as { returns: number[] };
    };
    const first = await evaluate(5);
    expect(first).toMatchObject({ run, env: 'InvertedPendulum-v5', steps: 300, seed: 5 });
    expect(first.returns).toHaveLength(2);
    expect(await evaluate(5)).toEqual(first);
  });

  test('export writes the policy that training wrote, and ONNX', async () => {
    const run = await trainInto(makeFolder());
    const [copy, onnx] = [join(run, 'copy.safetensors'), join(run, 'policy.onnx')];
    expect(await runCommand('export', run, '--out', copy)).toMatchObject({ code: 0, err: '' });
    const written = readFileSync(join(run, 'policy.safetensors'));
    expect(readFileSync(copy).equals(written)).toBe(true);
    expect(Object.keys(decodeSafetensors(written).tensors)).toContain('actor.2.weight');

    const result = await runCommand('export', run, '--format=onnx');
    expect(result.out).toMatch(/^Wrote .*policy\.onnx \([\d,]+ bytes\)\n$/);
    expect(readFileSync(onnx).includes('actor.0.weight')).toBe(true);
  });

  test('with normalised observations, eval and export go on with the statistics', async () => {
    const run = await trainInto(makeFolder(), '--normalize-observations');
    const { config, state } = RunFolder.open(run).readCheckpoint().checkpoint;
    expect(config).toMatchObject({ normalizeObservations: true });
    const { shape, data } = state.tensors['observation.variance']!;
    expect(shape).toEqual([4]);
    expect(Array.from(data as Float64Array).every((variance) => variance > 0)).toBe(true);

    // What eval does is what the exported policy does, which takes observations as they are.
    const { out } = await runCommand('eval', run, '--json', '--episodes=3', '--seed=4');
    const env = await makeEnv('InvertedPendulum-v5');
    const policy = decodePolicy(readFileSync(join(run, 'policy.safetensors')));
    const act = (observation: ArrayLike<number>) =>
      Float32Array.from(forwardPolicy(policy, Array.from(observation)));
    const { lengths } = await evaluate({ act }, env, { episodes: 3, seed: 4 });
    expect(JSON.parse(out)).toMatchObject({ lengths });

    const copy = join(run, 'copy.safetensors');
    expect(await runCommand('export', run, '--out', copy)).toMatchObject({ code: 0, err: '' });
    expect(readFileSync(copy).equals(readFileSync(join(run, 'policy.safetensors')))).toBe(true);
  });

  test('a run of a task that is not known here says how to make it known', async () => {
    const run = await trainInto(makeFolder());
    const config = join(run, 'config.json');
    const text = readFileSync(config, 'utf8');
    writeFileSync(config, text.replace('InvertedPendulum-v5', 'Mine'));
    const { code, err } = await runCommand('eval', run);
    expect(code).toBe(1);
    expect(err).toMatch(/^error: Unknown environment "Mine"\..*NODE_OPTIONS="--import /);
  });

  test('a damaged checkpoint is told, and the one before it is used', async () => {
    const run = await trainInto(makeFolder(), '--checkpoint-interval=200');
    writeFileSync(join(run, 'checkpoints', 'latest.safetensors'), 'junk');
    const { code, out, err } = await runCommand('eval', run, '--episodes=1');
    expect({ code, err }).toMatchObject({ code: 0 });
    expect(err).toMatch(/latest\.safetensors.*Using .*previous\.safetensors \(step 200\) instead/s);
    expect(out).toContain('after 200 steps of training');
  });

  test('a damaged summary is told, and keeps nobody from the agent', async () => {
    const run = await trainInto(makeFolder());
    writeFileSync(join(run, 'summary.json'), '{"finalEval');
    for (const args of [
      ['eval', run, '--episodes=1'],
      ['export', run],
    ]) {
      const { code, err } = await runCommand(...args);
      expect(code).toBe(0);
      expect(err).toMatch(/summary\.json .* is damaged.*last evaluation is not known\n$/);
    }
    const { metadata } = decodeSafetensors(readFileSync(join(run, 'policy.safetensors')));
    expect(metadata).toMatchObject({ steps: '300' });
    expect(metadata).not.toHaveProperty('evaluation_return');
  });

  test.each([
    [['eval', 'nowhere'], 'Expected nowhere to be the folder of a run but there is nothing'],
    [['export', 'nowhere'], 'Expected nowhere to be the folder of a run but there is nothing'],
    [
      ['eval', 'x', '--episodes=0'],
      'Expected --episodes to be a positive integer but received 0\n',
    ],
    [['eval', 'x', '--seed=a'], 'Expected --seed to be a non-negative integer but received "a"'],
    [['export', 'x', '--format=h5'], 'Expected --format to be one of "safetensors", "onnx" but'],
    [['eval'], "missing required argument 'run'"],
  ])('%j is an error', async (args, message) => {
    const { code, out, err } = await runCommand(...args);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(`error: ${message}`);
  });
});
