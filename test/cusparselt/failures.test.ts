/** What a machine may lack and what may go wrong: each ends in an error that helps. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { testDevice } from '../device/support.js';
import { runTypeScript } from '../support/run-typescript.js';

interface Outcome {
  available: { sparse: boolean; dense: boolean; problem: string };
  versions: { cusparselt: string | null; cublaslt: string | null };
  SparseMatmul: string;
  DenseMatmul: string;
}

async function fail(what: string): Promise<Outcome> {
  const folder = join(import.meta.dirname, '..', '..');
  const shell = `export RNM_EMULATOR_FAIL='${what}'; exec`;
  const { ended } = runTypeScript('test/cusparselt/emulated-failure.ts', [], folder, shell);
  const { code, signal, stdout, stderr } = await ended;
  // Whatever fails, the process goes on.
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Outcome;
}

(testDevice === 'cuda-emulated' ? describe : describe.skip)('failures', () => {
  test('none', async () => {
    expect(await fail('')).toMatchObject({
      available: { sparse: true, dense: true, problem: '' },
      SparseMatmul: 'done',
      DenseMatmul: 'done',
    });
  }, 60_000);

  test.each([
    ['driver', /There is no NVIDIA driver.*--gpus all/],
    ['devices', /no GPU.*CUDA_VISIBLE_DEVICES/],
    ['capability:7.5', /without sparse tensor cores/],
    ['library:cublasLt', /cuBLASLt was not found.*pip install nvidia-cublas.*apt-get/s],
  ])(
    '%s: neither kind can be used, and it is said why',
    async (what, problem) => {
      const outcome = await fail(what);
      expect(outcome.available).toMatchObject({ sparse: false, dense: false });
      expect(outcome.available.problem).toMatch(problem);
      for (const kind of ['SparseMatmul', 'DenseMatmul'] as const) {
        const words = `RunError: ${kind} cannot be used on device "cuda-emulated". `;
        expect(outcome[kind]).toBe(words + outcome.available.problem);
      }
    },
    60_000,
  );

  test.each([
    ['library:cusparseLt', /cuSPARSELt was not found.*pip install nvidia-cusparselt-cu13/s],
    ['version:cusparseLt=0.6.0', /cuSPARSELt 0\.6\.0 .*is too old: 0\.7 or newer/],
  ])(
    '%s: dense products remain',
    async (what, problem) => {
      const outcome = await fail(what);
      expect(outcome.available).toMatchObject({ sparse: false, dense: true });
      expect(outcome.available.problem).toMatch(problem);
      expect(outcome.versions).toMatchObject({ cusparselt: null, cublaslt: '13.1.0' });
      expect(outcome.SparseMatmul).toContain(outcome.available.problem);
      expect(outcome.DenseMatmul).toBe('done');
    },
    60_000,
  );

  test.each([
    ['init:cusparseLt', /^RunError: SparseMatmul .*cuSPARSELt failed to initialise/, /^done$/],
    // Without cuBLASLt the GPU is of no use.
    [
      'init:cublasLt',
      /^RunError: SparseMatmul .*cuBLASLt.*failed to/,
      /^RunError: DenseMatmul .*cuBLASLt.*failed to/,
    ],
    ['malloc:2', /^RunError: SparseMatmul .*Not enough memory.*use a smaller m, n or k/, /^done$/],
    ['malloc:5', /^RunError: SparseMatmul .*Not enough memory.*use a smaller m, n or k/, /^done$/],
  ])(
    '%s ends with an error, and the process goes on',
    async (what, sparse, dense) => {
      const outcome = await fail(what);
      expect(outcome.SparseMatmul).toMatch(sparse);
      expect(outcome.DenseMatmul).toMatch(dense);
    },
    60_000,
  );

  test('cuSPARSELt 0.7, with less to destroy, no words for errors and larger structures', async () => {
    expect(await fail('version:cusparseLt=0.7.1')).toMatchObject({
      available: { sparse: true },
      versions: { cusparselt: '0.7.1' },
      SparseMatmul: 'done',
    });
    const refused = await fail('version:cusparseLt=0.7.1,refuse:plan');
    expect(refused.SparseMatmul).toMatch(/^RunError: SparseMatmul .*could not plan .*: status 10/);
    const words = await fail('refuse:plan');
    expect(words.SparseMatmul).toMatch(/: CUSPARSE_STATUS_NOT_SUPPORTED/);
  }, 60_000);
});
