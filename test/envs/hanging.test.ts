/** Runs the compiled package: `npm run prepare` after a change in lib. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { RunFolder } from '../../lib/train/index.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();
const dist = join(import.meta.dirname, '../../dist');

/** A task of two numbers whose 120th step never ends, after it has said so. */
const task = `
  import { writeFileSync } from 'node:fs';
  import { registerEnvironment } from '${pathToFileURL(join(dist, 'index.js')).href}';
  let steps = 0;
  registerEnvironment('Hanging-v0', () => ({
    id: 'Hanging-v0', observationSize: 2, actionSize: 1,
    actionLow: Float32Array.of(-1), actionHigh: Float32Array.of(1),
    reset: () => Float64Array.of(0, 0),
    step() {
      if (++steps === 120) {
        writeFileSync(process.env.HANGING_FILE, '');
        for (;;);
      }
      return { observation: Float64Array.of(steps, 0), reward: 1, terminated: false, truncated: steps % 50 === 0, info: {} };
    },
    close() {},
  }));`;

test('a task that hangs in a worker does not hold up Ctrl-C', async () => {
  const folder = newFolder();
  const [module, hanging, out] = ['task.mjs', 'hanging', 'run'].map((name) => join(folder, name));
  writeFileSync(module!, task);
  const flags =
    '--overlap --steps=1000 --eval-interval=900 --checkpoint-interval=50 --hidden-sizes=8 ' +
    '--batch-size=4 --learning-starts=10 --threads=1';
  const program = ['--import', pathToFileURL(module!).href, join(dist, 'cli/main.js')];
  const args = [...program, 'train', 'Hanging-v0', '--out', out!, ...flags.split(' ')];
  const env = { ...process.env, HANGING_FILE: hanging };
  const child = spawn(process.execPath, args, { env });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  for (let i = 0; i < 600 && !existsSync(hanging!); i++) await setTimeout(25);
  child.kill('SIGINT');
  const isOver = await Promise.race([ended, setTimeout(10_000, 'waiting')]);
  child.kill('SIGKILL');
  // The minute that a step may take would be far longer.
  expect(isOver).toBe(1);
  expect(said).toMatch(/A step of Hanging-v0 was under way .*\(step 100\) is kept at/s);
  expect(RunFolder.open(out!).readCheckpoint().checkpoint.steps).toBe(100);
}, 60_000);
