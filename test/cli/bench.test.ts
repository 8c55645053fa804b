import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { temporaryFolders } from '../support/temporary-folder.js';
import { runCommand } from './support.js';

// They measure for a second each, on a quiet machine.
jest.setTimeout(60_000);

const makeFolder = temporaryFolders();
const tiny = ['--batch=16', '--threads=1', '--budget=0.05'];
const tinyUpdate = [
  'bench',
  'update',
  '--obs=5',
  '--act=2',
  '--hidden=16',
  '--replay=100',
  ...tiny,
];

test('bench update --json prints a line for each pattern', async () => {
  const { code, out } = await runCommand(...tinyUpdate, '--sparsity=1:4,dense', '--json');
  expect(code).toBe(0);
  const lines = out.trimEnd().split('\n');
  const results = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(results.map(({ sparsity }) => sparsity)).toEqual(['1:4', 'dense']);
  for (const result of results) {
    expect(result).toMatchObject({
      msPerUpdate: expect.any(Number),
      p10: expect.any(Number),
      p90: expect.any(Number),
      breakdown: expect.objectContaining({ criticForward: expect.any(Number) }),
      memoryBytes: expect.objectContaining({ networks: expect.any(Number) }),
      shape: { obs: 5, act: 2, hidden: 16, batch: 16, threads: 1 },
    });
  }
});

test('bench update without patterns measures five, in a table', async () => {
  const { code, out } = await runCommand(...tinyUpdate);
  expect(code).toBe(0);
  for (const pattern of ['dense', '2:4', '1:4', '1:8', '1:16']) {
    expect(out).toMatch(new RegExp(`^${pattern} +[\\d,.]+ +[\\d,.]+ +[\\d,.]+ +[\\d,]+ `, 'm'));
  }
  expect(out).toMatch(/^Critics, backward( +\d+\.\d{4}){5}$/m);
});

test('bench update --peers without a Python goes on alone', async () => {
  const flags = ['--sparsity=1:4', '--peers', '--python=/no/such/python'];
  const { code, out, err } = await runCommand(...tinyUpdate, ...flags);
  expect(code).toBe(0);
  expect(err).toContain('torch: not found by /no/such/python');
  expect(out).toMatch(/^1:4 /m);
});

test('bench kernels prints the peak and the kernels', async () => {
  const flags = ['--shapes=8x8', '--patterns=dense,1:4', '--kernels=forward,projection'];
  const { code, out } = await runCommand('bench', 'kernels', ...flags, '--isa=plain', ...tiny);
  expect(code).toBe(0);
  expect(out).toMatch(/^plain +1 +[\d,]+ +[\d,]+$/m);
  expect(out).toMatch(/^forward +8x8, 16 +1:4 +plain +1 /m);
  expect(out).toMatch(/^projection +8x8, 16 +1:4 /m);
  expect(out).not.toMatch(/^adam/m);
});

test('bench speedup prints both tables and writes the picture', async () => {
  const folder = join(makeFolder(), 'results');
  const flags = ['--env=InvertedPendulum-v5', '--widths=8,16', '--patterns=1:4', '--replay=100'];
  const { code, out } = await runCommand('bench', 'speedup', ...flags, ...tiny, '--out', folder);
  expect(code).toBe(0);
  expect(out).toMatch(/^Training steps a second on InvertedPendulum-v5/m);
  expect(out.match(/^1:4 +[\d,.]+ {2}\d+\.\d\dx \(/gm)).toHaveLength(2);
  const saved = JSON.parse(readFileSync(join(folder, 'speedup.json'), 'utf8')) as {
    updates: { name: string; width: number }[];
  };
  expect(saved.updates.map(({ name, width }) => `${name} ${width}`)).toEqual([
    'dense 8',
    '1:4 8',
    'dense 16',
    '1:4 16',
  ]);
  expect(readFileSync(join(folder, 'speedup.svg'), 'utf8')).toContain('Times as fast');
  expect(existsSync(join(folder, 'speedup.png'))).toBe(true);
});

test.each([
  [['update', '--sparsity=1:4,5:4'], 'Expected a pattern to be "dense" or a pattern N:M'],
  [['update', '--hidden=0'], 'Expected --hidden to be a positive integer but received 0\n'],
  [['update', '--isa=mmx'], 'Expected --isa (or RNM_ISA) to be one that this CPU can run'],
  [['kernels', '--kernels=foward'], 'Did you mean forward?'],
  [['kernels', '--shapes=256'], 'Expected a shape to be inputs x outputs'],
  [['speedup', '--env=HalfCheeta-v5', '--budget=1'], 'HalfCheetah-v5'],
])('bench %j is one line of error', async (args, message) => {
  const { code, out, err } = await runCommand('bench', ...args);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toContain(message);
});
