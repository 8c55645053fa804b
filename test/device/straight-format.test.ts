/** Compressed weights where the library's format keeps their order, so that nothing has to say where they lie. */
import { describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { DataGradient } from '../../lib/device/index.js';
import { runTypeScript } from '../support/run-typescript.js';
import { temporaryFolders } from '../support/temporary-folder.js';
import { testDevice } from './support.js';

const root = join(import.meta.dirname, '..', '..');
const makeFolder = temporaryFolders();

interface Outcome {
  targets: number[][];
  weights: number[][];
  sparse: number;
  bytes: number;
}

async function train(format: string, job: object): Promise<Outcome> {
  // With the library's default algorithm: with some others it mixes formats that take more memory.
  const times = 'cublasLt=8,cusparseLt.0=2,cusparseLt=4';
  const environment = `RNM_EMULATOR_TIMES=${times} RNM_CACHE_DIR='${makeFolder()}'`;
  const shell = `export RNM_EMULATOR_FORMAT=${format} ${environment}; exec`;
  const argument = JSON.stringify(job);
  const { ended } = runTypeScript('test/device/emulated-format.ts', [argument], root, shell);
  const { code, stdout, stderr } = await ended;
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Outcome;
}

// More layers than kernels are told of have no short cut forward; columns always have.
const cases: [name: string, sizes: number[], pattern: [number, number], ways: DataGradient][] = [
  ['2:4', [12, 64, 96, 3], [2, 4], 'double-pruned'],
  ['1:4', [12, 64, 96, 3], [1, 4], 'double-pruned'],
  ['1:8, padded', [12, 52, 44, 3], [1, 8], 'double-pruned'],
  ['2:4, transposable', [12, 64, 48, 3], [2, 4], 'transposable'],
  ['2:4, forward alone', [12, 64, 48, 3], [2, 4], 'dense'],
  ['1:4, many layers', [16, 32, 32, 32, 48, 32, 3], [1, 4], 'double-pruned'],
];

(testDevice === 'cuda-emulated' ? describe : describe.skip)('a straight format', () => {
  test.each(cases)(
    'trains the same, bit for bit, and takes less memory: %s',
    async (_, sizes, [n, m], dataGradient) => {
      const job = { device: { dataGradient }, sizes, n, m };
      const [mixed, straight] = await Promise.all([train('mixed', job), train('straight', job)]);
      expect(straight.sparse).toBe(mixed.sparse);
      expect(mixed.sparse).toBeGreaterThan(0);
      expect(straight.targets).toEqual(mixed.targets);
      expect(straight.weights).toEqual(mixed.weights);
      expect(straight.targets.flat().every(Number.isFinite)).toBe(true);
      expect(straight.bytes).toBeLessThan(mixed.bytes);
    },
    120_000,
  );

  test('a format that has no values for groups of zeros is found not to be straight', async () => {
    const job = { device: { dataGradient: 'double-pruned' }, sizes: [12, 64, 96, 3], n: 1, m: 8 };
    const [mixed, gaps] = await Promise.all([train('mixed', job), train('gaps', job)]);
    expect(gaps.targets).toEqual(mixed.targets);
    expect(gaps.weights).toEqual(mixed.weights);
    expect(gaps.bytes).toBe(mixed.bytes);
  }, 120_000);
});
