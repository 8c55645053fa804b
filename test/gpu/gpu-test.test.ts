/** The test for GPUs, tried on what every machine has: the CPU's kernels beside each other. */
import { describe, expect, jest, test } from '@jest/globals';
import { cudaReport } from '../../lib/device/index.js';
import { runTypeScript } from '../support/run-typescript.js';
import { temporaryFolders } from '../support/temporary-folder.js';
import { compareTraining } from './compare-training.js';
import type { Distance } from './compare-training.js';
import { judge, limitsOf } from './limits.js';
import { runSuites } from './suites.js';

jest.setTimeout(600_000);

const makeFolder = temporaryFolders();
const sizes = { hidden: 16, batch: 16, steps: 60, episodes: 1 };
const problem = { task: 'Reacher-v5', sparsity: '1:4', ...sizes, seed: 3 };
const plain = { device: 'cpu', isa: 'plain' } as const;
const run = (args: readonly string[]) =>
  runTypeScript('test/gpu/gpu-test.ts', args, makeFolder()).ended;

describe('compareTraining', () => {
  test('the same device is no distance away', async () => {
    const { distances, returns, passed } = await compareTraining(
      problem,
      plain,
      plain,
      limitsOf({}),
    );
    expect(distances.map(({ update }) => update)).toEqual([1, 2, 3, 4, 6, 8, 10, 30, 46]);
    for (const distance of distances) {
      expect(distance).toMatchObject({ values: 0, weights: 0, masks: 0 });
      expect(distance.criticLoss.tested).toBe(distance.criticLoss.reference);
    }
    expect(returns.tested).toBe(returns.reference);
    expect(passed).toBe(true);
  });

  test('other kernels are within float32 rounding, and nothing is within none', async () => {
    const tested = { device: 'cpu', threads: 1 } as const;
    const { distances, passed } = await compareTraining(problem, tested, plain, limitsOf({}));
    expect(passed).toBe(true);
    expect(Math.max(...distances.map(({ values }) => values))).toBeGreaterThan(0);
    const none = { values: 0, weights: 0, masks: 0 };
    const narrow = { ...limitsOf({}), first: none };
    const other = await compareTraining(problem, tested, plain, narrow);
    expect(other.passed).toBe(false);
    const failed = other.checks.filter((check) => !check.passed).map(({ name }) => name);
    expect(failed).toContain('values, first updates');
  });
});

describe('judge', () => {
  const near = (update: number, more: Partial<Distance> = {}): Distance => ({
    update,
    values: 1e-7,
    weights: 1e-5,
    masks: 0,
    criticLoss: { tested: 1, reference: 1 },
    ...more,
  });
  const same = { tested: -5, reference: -5 };
  const failed = (distances: Distance[], returns = same) =>
    judge(distances, returns, limitsOf({}))
      .filter(({ passed }) => !passed)
      .map(({ name }) => name);

  test.each([
    [{ values: 1e-4 }, 'values, first updates'],
    [{ weights: 0.1 }, 'weights, first updates'],
    [{ masks: 1e-6 }, 'masks, first updates'],
    [{ values: NaN }, 'values, first updates'],
    [{ weights: NaN }, 'weights, first updates'],
    [{ criticLoss: { tested: 1.001, reference: 1 } }, 'critic loss, first updates, relative'],
  ])('%j is too far at first', (more, name) => {
    expect(failed([near(1), near(2, more), near(30)])).toEqual([name]);
  });

  test('more is allowed later, and there is a limit', () => {
    expect(failed([near(1), near(30, { values: 0.1, weights: 0.5, masks: 0.1 })])).toEqual([]);
    const far = { values: 1, weights: 1.4, masks: 0.375 };
    const names = ['values, later updates', 'weights, later updates', 'masks, later updates'];
    expect(failed([near(1), near(30, far), near(100)])).toEqual(names);
  });

  test('losses and returns have to be finite', () => {
    const lost = near(30, { criticLoss: { tested: NaN, reference: 1 } });
    expect(failed([near(1), lost])).toEqual(['critic loss is finite']);
    const name = 'difference of mean returns';
    expect(failed([near(1)], { tested: NaN, reference: -5 })).toEqual([name]);
    expect(failed([near(1)], { tested: -1400, reference: -5 })).toEqual([name]);
    expect(failed([near(1)], { tested: -3400, reference: -2300 })).toEqual([]);
  });
});

describe('runSuites', () => {
  test('counts what passed', async () => {
    const result = await runSuites('cpu', ['test/nearest.test.ts'], makeFolder(), false);
    expect(result).toMatchObject({ passed: true, tests: { failed: 0 }, failures: [] });
    expect(result.tests.passed).toBeGreaterThan(1);
  });

  test('names what failed', async () => {
    const result = await runSuites('no-such-device', ['test/device/replay'], makeFolder(), false);
    expect(result.passed).toBe(false);
    expect(result.failures[0]!.message).toContain('received "no-such-device"');
  });
});

describe('npm run test:gpu', () => {
  test.each([
    [['--device', 'gpu'], 'Expected device to be one of "cuda", "cuda-emulated"'],
    [['--steps', '3'], 'Expected steps to be an integer of at least 20'],
    [['--hidden', 'wide'], 'Expected hidden to be a positive integer'],
    [['--nope'], "Unknown option '--nope'"],
  ])('%j is one line of error', async (args, message) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`error: ${message}`);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  const withoutGpu = cudaReport()?.status === 'usable' ? test.skip : test;
  withoutGpu('without a GPU it is one line that says what is missing', async () => {
    const { code, stdout, stderr } = await run([]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^error: Device "cuda" cannot be used\. .*\n$/);
  });
});
