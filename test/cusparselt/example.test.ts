/** The example as a user runs it, on the compiled package: `npm run prepare` after a change in lib. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { available } from '../../lib/cusparselt/index.js';

const root = join(import.meta.dirname, '..', '..');

function runExample(): Promise<{ code: number; stdout: string; stderr: string }> {
  const file = join(root, 'docs', 'examples', 'time-sparse-matmul.mjs');
  return new Promise((resolve) => {
    execFile(process.execPath, [file], { cwd: root }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const { sparse, problem } = available();

describe('the example that times a sparse product', () => {
  (sparse ? test.skip : test)(
    'says without a GPU what is missing, and nothing else',
    async () => {
      expect(await runExample()).toEqual({
        code: 1,
        stdout: '',
        stderr: `There is nothing to time on this machine. ${problem}\n`,
      });
    },
    60_000,
  );

  (sparse ? test : test.skip)(
    'has a line for every size on a GPU',
    async () => {
      const { code, stdout, stderr } = await runExample();
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const lines = stdout.match(/^\d+: sparse [\d.]+ µs, dense [\d.]+ µs: [\d.]+ x$/gm);
      expect(lines).toHaveLength(4);
    },
    120_000,
  );
});
