/** Training on a GPU from the command line: a run like the CPU's, kept whatever fails. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { RunFolder, readJsonLines } from '../../lib/train/index.js';
import type { Checkpoint } from '../../lib/train/index.js';
import { runCommand } from '../cli/support.js';
import { deviation } from '../device/reference.js';
import { testDevice } from '../device/support.js';
import { runTypeScript } from '../support/run-typescript.js';
import { temporaryFolders } from '../support/temporary-folder.js';

jest.setTimeout(120_000);

const newFolder = temporaryFolders();

const training = [
  'train',
  'InvertedPendulum-v5',
  '--steps=100',
  '--learning-starts=40',
  '--eval-interval=60',
  '--eval-episodes=2',
  '--log-interval=10',
  '--checkpoint-interval=20',
  '--hidden-sizes=16,16',
  '--batch-size=16',
  '--buffer-size=1000',
  '--sparsity=2:4',
  '--mask-interval=30',
];

/** Through sparse tensor cores, which take layers of this width. */
const sparseProducts = ['--precision=bf16', '--sparse=always', '--hidden-sizes=64,64'];

/** Train on a device and give the run folder. */
async function trainOn(device: string, ...args: string[]): Promise<RunFolder> {
  const out = join(newFolder(), 'run');
  const { code, err } = await runCommand(...training, `--device=${device}`, '--out', out, ...args);
  expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('Training Inverted') });
  return RunFolder.open(out);
}

/** Train in a process of its own, in which the emulated GPU fails as RNM_EMULATOR_FAIL says. */
async function trainAndFail(failure: string, ...more: string[]) {
  const out = join(newFolder(), 'run');
  const shell = `export RNM_EMULATOR_FAIL='${failure}'; exec`;
  const args = [...training, '--device=cuda-emulated', '--out', out, ...more];
  const { code, stderr } = await runTypeScript('lib/cli/main.ts', args, newFolder(), shell).ended;
  const [, message = '', ...others] = stderr.split(/^error: /m);
  expect({ code, others }).toEqual({ code: 1, others: [] });
  return { out, message: message.trimEnd() };
}

/** Largest deviation among the tensors whose names match. */
function deviationOf(a: Checkpoint, b: Checkpoint, names: RegExp): number {
  const found = Object.keys(a.state.tensors).filter((name) => names.test(name));
  expect(found.length).toBeGreaterThan(0);
  const dataOf = ({ state }: Checkpoint, name: string) => state.tensors[name]!.data as Float32Array;
  return Math.max(...found.map((name) => deviation(dataOf(a, name), dataOf(b, name))));
}

const here = testDevice === 'cuda-emulated' ? describe : describe.skip;

here('training on the emulated GPU', () => {
  test('writes a whole run folder, which the CPU can evaluate', async () => {
    const run = await trainOn('cuda-emulated');
    expect(readdirSync(run.path).toSorted()).toEqual([
      'best',
      'checkpoints',
      'config.json',
      'learning-curve.png',
      'learning-curve.svg',
      'metrics.jsonl',
      'policy.safetensors',
      'replay',
      'summary.json',
      'tb',
    ]);
    expect(run.readConfig()).toMatchObject({ agent: { device: 'cuda-emulated' } });
    expect(run.readSummary()).toMatchObject({ steps: 100, updates: 61, finished: true });
    expect(run.readCheckpoint().checkpoint).toMatchObject({ steps: 100, updates: 61 });
    const values = readJsonLines(run.metricsPath).flatMap((line) => Object.values(line));
    expect(values.every(Number.isFinite)).toBe(true);
    const evaluations = [];
    for (const device of ['cpu', 'cuda-emulated']) {
      const args = ['--json', '--episodes=2', `--device=${device}`];
      const { code, out } = await runCommand('eval', run.path, ...args);
      expect(code).toBe(0);
      evaluations.push(JSON.parse(out) as { mean: number; lengths: number[] });
    }
    expect(evaluations[0]?.lengths).toEqual(evaluations[1]?.lengths);
    expect(evaluations[0]?.mean).toBeCloseTo(evaluations[1]?.mean ?? NaN, 3);
  });

  test('trains through sparse tensor cores', async () => {
    const run = await trainOn('cuda-emulated', ...sparseProducts);
    const { updates, finished, notices } = run.readSummary();
    expect({ updates, finished }).toEqual({ updates: 61, finished: true });
    expect(notices).toContainEqual(expect.stringMatching(/^Sparse tensor cores took [1-9]/));
    const weights = Object.entries(run.readCheckpoint().checkpoint.state.tensors);
    expect(weights.every(([, { data }]) => (data as Float32Array).every(Number.isFinite))).toBe(
      true,
    );
  });

  test('makes the first updates that the CPU makes', async () => {
    const runs = [];
    for (const device of ['cpu', 'cuda-emulated']) {
      const short = ['--steps=50', '--mask-interval=5', '--eval-episodes=1'];
      runs.push((await trainOn(device, ...short)).readCheckpoint().checkpoint);
    }
    const [cpu, gpu] = runs as [Checkpoint, Checkpoint];
    expect(gpu.updates).toBe(11);
    expect(Object.keys(gpu.state.tensors)).toEqual(Object.keys(cpu.state.tensors));
    expect(deviationOf(cpu, gpu, /mask$/)).toBe(0);
    // Weights and Adam's moments. A step of Adam is up to 3e-4 long.
    expect(deviationOf(cpu, gpu, /weight|bias/)).toBeLessThan(2e-6);
  });
});

here('a NaN in a hidden layer ends the run, and no checkpoint has it', () => {
  test.each([
    ['the CPU', 'cpu', '', 'NaN', 'criticLoss'],
    ['a GPU whose ReLU keeps it', 'cuda-emulated', '', 'NaN', 'criticLoss'],
    // Nothing else shows it.
    ['a GPU whose ReLU hides it', 'cuda-emulated', 'fmax', /^\d/, 'largestWeight/critic2'],
  ])('on %s', async (_, device, relu, loss, metric) => {
    const out = join(newFolder(), 'run');
    const shell = `export RNM_EMULATOR_RELU='${relu}'; exec`;
    const folder = join(import.meta.dirname, '..', '..');
    const script = 'test/train/emulated-divergence.ts';
    const { code, stdout, stderr } = await runTypeScript(script, [out, device], folder, shell)
      .ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const ended = JSON.parse(stdout) as { error?: string; loss: string };
    expect(ended.loss).toMatch(loss);
    expect(ended.error).toMatch(
      new RegExp(`^RunError: .* step 45: Expected ${metric} to be finite but received NaN.*rate`),
    );
    const { tensors } = RunFolder.open(out).readCheckpoint().checkpoint.state;
    const weights = Object.entries(tensors).filter(([name]) => /weight|bias/.test(name));
    expect(weights.length).toBeGreaterThan(0);
    for (const [, { data }] of weights) expect([...data].every(Number.isFinite)).toBe(true);
  });
});

here('what fails while the emulated GPU trains', () => {
  test.each<[string, string, RegExp, string[]]>([
    [
      'no memory for a graph',
      'graph:2',
      /Not enough memory on the GPU for a graph: use a smaller batchSize/,
      [],
    ],
    ['a launch', 'launch:300', /too many resources requested for launch/, []],
    ['a kernel', 'sticky:900', /illegal memory access.*What the GPU held is lost/, []],
    ['no memory', 'malloc:160', /Not enough memory on the GPU.*use a smaller/, sparseProducts],
    ['a sparse product', 'refuse:multiply', /multiply with sparse weights/, sparseProducts],
  ])('%s: one message, and the run is kept', async (_, failure, reason, more) => {
    const { out, message } = await trainAndFail(failure, ...more);
    expect(message).toMatch(reason);
    const stopped = /^Training stopped at step (\d+): .*\(step (\d+)\) is kept at (\S+)$/;
    const [, step, kept, path] = stopped.exec(message) ?? [];
    // After the first updates, and before the run would have ended by itself.
    expect(Number(step)).toBeGreaterThanOrEqual(40);
    expect(Number(step)).toBeLessThan(100);
    expect(Number(kept) % 20).toBe(0);
    expect(Number(step) - Number(kept)).toBeLessThanOrEqual(20);

    const run = RunFolder.open(out);
    expect(run.checkpointPath).toBe(path);
    expect(run.readCheckpoint().notice).toBeUndefined();
    expect(run.readCheckpoint().checkpoint.steps).toBe(Number(kept));
    expect(run.readConfig()).toMatchObject({ env: 'InvertedPendulum-v5', steps: 100 });
    const logged = readJsonLines(run.metricsPath).map((line) => Number(line['step']));
    expect(logged.at(-1)).toBeGreaterThanOrEqual(Number(kept));
    expect(run.readSummary()).toMatchObject({ finished: false, error: message });

    const { code, out: result } = await runCommand('eval', out, '--json', '--device=cpu');
    expect({ code, ...(JSON.parse(result) as object) }).toMatchObject({ code: 0, run: out });
  });

  test.each([
    ['library:cublasLt', /cuBLASLt was not found.*pip install nvidia-cublas/s],
    ['driver', /no NVIDIA driver/],
    ['memory:20000', /Not enough memory on the GPU/],
  ])('%s: it does not start, says what helps, and leaves no folder', async (failure, reason) => {
    const { out, message } = await trainAndFail(failure);
    expect(message).toMatch(reason);
    expect(existsSync(out)).toBe(false);
  });
});
