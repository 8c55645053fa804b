import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { RunFolder, decodeCheckpoint, readJsonLines } from '../../lib/train/index.js';
import { runTypeScript } from '../support/run-typescript.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();
const script = 'test/support/train-point.ts';

/** Start a run that does not end by itself, and wait until it has trained for a while. */
async function startEndlessRun(out: string) {
  const run = runTypeScript(script, [out, '1000000000'], newFolder());
  const metrics = join(out, 'metrics.jsonl');
  for (let i = 0; i < 400; i++) {
    if (existsSync(metrics) && readJsonLines(metrics).length > 50) return run;
    await setTimeout(25);
  }
  run.child.kill('SIGKILL');
  throw new Error(`the run has not begun: ${(await run.ended).stderr}`);
}

describe('a run in a process of its own', () => {
  test('killed at any moment, it leaves whole files only', async () => {
    for (let attempt = 0; attempt < 3; attempt++) {
      const out = join(newFolder(), 'run');
      const { child, ended } = await startEndlessRun(out);
      await setTimeout(7 * attempt);
      child.kill('SIGKILL');
      expect((await ended).signal).toBe('SIGKILL');

      const run = RunFolder.open(out);
      expect(run.readConfig()).toMatchObject({ env: 'Point-v0' });
      const { checkpoint } = run.readCheckpoint();
      const steps = readJsonLines(run.metricsPath).map((line) => Number(line['step']));
      // Every step logs and then saves, so that at most the last checkpoint is missing.
      expect((steps.at(-1) ?? NaN) - checkpoint.steps).toBeLessThanOrEqual(1);
      for (const file of readdirSync(join(out, 'checkpoints'))) {
        if (file.endsWith('.tmp')) continue; // hidden, and nothing reads it
        const bytes = readFileSync(join(out, 'checkpoints', file));
        expect(decodeCheckpoint(bytes, file).steps).toBeGreaterThan(0);
      }
    }
  }, 60_000);

  test('Ctrl-C ends it with everything saved and exit code 0', async () => {
    const out = join(newFolder(), 'run');
    const { child, ended } = await startEndlessRun(out);
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const result = JSON.parse(stdout) as { steps: number };
    expect(result).toMatchObject({ interrupted: true, folder: out });
    const run = RunFolder.open(out);
    expect(run.readSummary()).toEqual(result);
    expect(run.readCheckpoint().checkpoint.steps).toBe(result.steps);
    expect(existsSync(run.policyPath)).toBe(true);
  }, 60_000);

  test('when a file may grow no more, training goes on, and the end says so', async () => {
    const out = join(newFolder(), 'run');
    // In units of 1,024 bytes: metrics.jsonl reaches this after some hundred steps.
    const { ended } = runTypeScript(script, [out, '600'], newFolder(), 'ulimit -f 64; exec');
    const { code, stdout, stderr } = await ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^RunError: Training stopped at step 600: Expected to write .* but /);
    expect(stderr).toMatch(/EFBIG.*ulimit -f.*The last good checkpoint \(step \d+\) is kept at/);
    const run = RunFolder.open(out);
    const kept = Number(/\(step (\d+)\) is kept/.exec(stderr)?.[1]);
    expect(run.readCheckpoint().checkpoint.steps).toBe(kept);
    expect(readJsonLines(run.metricsPath).length).toBeGreaterThan(100);
    expect(run.readSummary()).toMatchObject({ finished: false, error: expect.any(String) });
  }, 60_000);
});
