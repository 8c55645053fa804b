/** The test for GPUs on the emulated one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { testDevice } from '../device/support.js';
import { runTypeScript } from '../support/run-typescript.js';
import { temporaryFolders } from '../support/temporary-folder.js';

jest.setTimeout(600_000);

const makeFolder = temporaryFolders();

const emulated = testDevice === 'cuda-emulated' ? test : test.skip;
emulated('agrees on the emulated GPU, in every arithmetic', async () => {
  const out = makeFolder();
  const flags =
    '--device cuda-emulated --suites test/device/replay --task Reacher-v5 --steps 44 ' +
    '--hidden 32 --batch 16 --episodes 1';
  const { code, stdout } = await runTypeScript(
    'test/gpu/gpu-test.ts',
    [...flags.split(' '), '--out', out],
    out,
  ).ended;
  expect(stdout).toContain(`Passed. Result  ${join(out, 'gpu-test.json')}`);
  expect(code).toBe(0);
  const result: unknown = JSON.parse(readFileSync(join(out, 'gpu-test.json'), 'utf8'));
  const training = [
    { precision: 'fp32' },
    { precision: 'fp32', weightGradient: 'sampled' },
    { precision: 'tf32' },
    { precision: 'bf16' },
    { precision: 'bf16' },
    { precision: 'tf32', dataGradient: 'transposable' },
    { precision: 'bf16', dataGradient: 'transposable' },
    { precision: 'bf16', dataGradient: 'double-pruned' },
  ].map((options) => ({
    tested: { device: 'cuda-emulated', ...options },
    reference: { device: 'cpu' },
    choices: expect.arrayContaining([
      expect.objectContaining(
        options.weightGradient
          ? { pass: 'weight gradient', chosen: 'sparse' }
          : { pass: options.dataGradient ? 'data gradient' : 'forward' },
      ),
    ]),
    passed: true,
  }));
  expect(result).toMatchObject({
    kind: 'rnm-td3 test:gpu',
    passed: true,
    machine: { device: 'cuda-emulated', libraries: { cuBLASLt: expect.any(String) } },
    suites: { passed: true, failures: [] },
    training,
  });
});
