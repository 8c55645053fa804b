import { describe, expect, test } from '@jest/globals';
import { packageVersion } from '../../lib/train/package-version.js';
import { runCommand as run } from './support.js';

describe('rnm-td3', () => {
  test('--version is the version of the package', async () => {
    expect(await run('--version')).toEqual({ code: 0, out: `${packageVersion}\n`, err: '' });
  });

  test.each([[[]], [['--help']], [['help']]])('%j lists the commands', async (args) => {
    const { code, out, err } = await run(...args);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const command of ['train', 'eval', 'export', 'verify', 'bench', 'info']) {
      expect(out).toMatch(new RegExp(`^  ${command} +\\w`, 'm'));
    }
  });

  test.each([[['train', '--help']], [['help', 'train']]])('%j shows defaults', async (args) => {
    const { code, out } = await run(...args);
    expect(code).toBe(0);
    expect(out).toMatch(/^TD3:$/m);
    expect(out).toMatch(/--batch-size <count> +Transitions per update\. \[256\]/);
    expect(out).toMatch(/--gradient-rule <rule> .*\[masked \|\s+ste \| sr-ste\]/s);
    // A line per flag is what makes the list quick to scan; only a few may need two.
    expect(out.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });

  test('an unknown command is an error with the nearest one', async () => {
    const { code, out, err } = await run('trian');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain("error: unknown command 'trian'\n(Did you mean train?)");
  });

  test.each([
    [['bogus'], /^error: unknown command 'bogus'\n\(Commands are train, eval, .*, info; --help/],
    [['help', 'bogus'], /^error: unknown command 'bogus'\n\(Commands are train, eval/],
    [['help', 'constructor'], /^error: unknown command 'constructor'/],
    [['bench', 'foo'], /^error: unknown command 'foo'\n\(Benchmarks are kernels, update, speedup/],
    [['bench', 'update', '--foo'], /^error: unknown option '--foo'\n\(--help lists what there is/],
  ])('%j is an error that says what there is', async (args, message) => {
    expect(await run(...args)).toEqual({ code: 1, out: '', err: expect.stringMatching(message) });
  });

  test('an unknown flag is an error with the nearest one', async () => {
    const { code, out, err } = await run('train', 'Hopper-v5', '--batchsize', '3');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain("error: unknown option '--batchsize'\n(Did you mean --batch-size?)");
  });

  test.each([
    [
      ['train', 'X', '--sparsity', '5:4'],
      'Expected --sparsity to be "dense" or a pattern N:M with',
    ],
    [['train', 'X', '--seed', '1.5'], 'Expected --seed to be an integer from 0 to 4294967295 but'],
    [
      ['train', 'X', '--steps', '-5'],
      'Expected --steps to be a positive integer but received -5\n',
    ],
    [
      ['train'],
      'Expected a task to learn, as in "rnm-td3 train HalfCheetah-v5", but received none',
    ],
    [['train'], 'Known are Ant-v5, HalfCheetah-v5, Hopper-v5'],
    [['train', 'X', '--hidden-sizes', '9x9'], 'Expected --hidden-sizes to be numbers with commas'],
    [['train', 'X', '--hidden-sizes', '9,0'], 'Expected number 2 of --hidden-sizes to be an integ'],
    [
      ['train', 'X', '--data-gradient', 'transposable'],
      'Expected --data-gradient to be "dense" or "double-pruned" under --mask-shape "row" but',
    ],
    [
      ['train', 'X', '--config', 'lib'],
      'Cannot read the config file: lib is a folder. Give a JSON',
    ],
    [['train', 'X', '--config', 'no.json'], 'Cannot read the config file: ENOENT: no such file'],
    [
      ['train', 'X', '--steps', '30000', '--exploration-noise', '1 - t / 2e4'],
      'Expected --exploration-noise ("1 - t / 2e4") at t = 20010 to be a finite number of at',
    ],
  ])('%j is one line of error', async (args, message) => {
    const { code, out, err } = await run(...args);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^error: /);
    expect(err).toContain(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });

  test('--debug shows where an error comes from, and its cause', async () => {
    const { code, err } = await run('--debug', 'train', 'X', '--config', 'no.json');
    expect(code).toBe(1);
    expect(err).toMatch(/^error: Cannot read.*\n +at .*caused by: .*ENOENT/s);
    expect(err).not.toContain('Please report it');
  });
});
