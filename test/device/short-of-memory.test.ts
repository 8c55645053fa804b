/** A call that finds too little memory fails and can be made again; nothing is left half done. */
import { describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { runTypeScript } from '../support/run-typescript.js';
import { onCpu } from './support.js';

const canLimit = spawnSync('prlimit', ['--version']).status === 0;
// A sanitizer's own memory is not to be limited.
const sanitized = process.env['LD_PRELOAD'] !== undefined;

(onCpu && canLimit && !sanitized ? describe : describe.skip)('short of memory', () => {
  test.each([
    // Activations and gradients are 34 MB each.
    ['keptPass', 15],
    // The transposed index is 18 MB.
    ['inputGradient', 3],
    // One of all weights is 17 MB.
    ['dormantGradient', 3],
    // The network is 31 MB.
    ['construction', 5],
  ])(
    '%s',
    async (scenario, least) => {
      const folder = join(import.meta.dirname, '..', '..');
      const { ended } = runTypeScript('test/device/short-of-memory.ts', [scenario], folder);
      const { code, signal, stdout, stderr } = await ended;
      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
      const { errors, same, finite } = JSON.parse(stdout) as {
        errors: { name: string; message: string }[];
        same: boolean;
        finite: boolean;
      };
      expect(errors.length).toBeGreaterThan(least);
      for (const { name, message } of errors) {
        expect(name).toBe('RunError');
        expect(message).toMatch(/^Not enough memory.*: use a smaller batchSize, hiddenSizes or/);
      }
      expect({ same, finite }).toEqual({ same: true, finite: true });
    },
    60_000,
  );
});
