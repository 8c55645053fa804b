import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { RunError } from '../../lib/errors.js';
import { RunFolder, encodeCheckpoint } from '../../lib/train/index.js';
import { LinearAgent } from '../support/linear-agent.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();
const name = { envId: 'HalfCheetah-v5', sparsity: '1:4', seed: 2 };

const home = process.cwd();
afterEach(() => process.chdir(home));

/** A run with two checkpoints, of steps 10 and 20. */
function runWithCheckpoints(): RunFolder {
  const run = RunFolder.create({ ...name, out: join(newFolder(), 'run') });
  run.writeConfig({ env: name.envId });
  for (const steps of [10, 20]) {
    run.writeCheckpoint(encodeCheckpoint(Object.assign(new LinearAgent(), { steps })));
  }
  return run;
}

/** Cut a file to half its length. */
function damage(path: string): void {
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.subarray(0, bytes.length / 2));
}

describe('RunFolder.create', () => {
  test('names a new run after task, pattern, seed and time, never twice the same', () => {
    process.chdir(newFolder());
    const paths = Array.from({ length: 3 }, () => RunFolder.create(name).path);
    for (const path of paths) {
      expect(path).toMatch(/^runs\/HalfCheetah-v5-1of4-seed2-\d{8}-\d{6}(-\d)?$/);
    }
    expect(new Set(paths).size).toBe(3);
    expect(readdirSync('runs')).toHaveLength(3);
  });

  test("a task's name cannot lead out of the folder", () => {
    process.chdir(newFolder());
    const { path } = RunFolder.create({ ...name, envId: '../my task/v0', sparsity: '2:4-1:8' });
    expect(basename(path)).toMatch(/^\.\.-my-task-v0-2of4-1of8-seed2-/);
    expect(readdirSync('.')).toEqual(['runs']);
  });

  test('takes a given folder when it is new or empty', () => {
    const folder = newFolder();
    expect(RunFolder.create({ ...name, out: folder }).path).toBe(folder);
    const deep = join(newFolder(), 'a', 'b');
    expect(RunFolder.create({ ...name, out: deep }).path).toBe(deep);
  });

  test.each<[string, (path: string) => void, RegExp]>([
    [
      'a run',
      (path) => writeFileSync(join(path, 'config.json'), '{}'),
      /already holds a run\. Choose/,
    ],
    [
      'other files',
      (path) => writeFileSync(join(path, 'thesis.tex'), ''),
      /holds other files\. Choose/,
    ],
  ])('a folder that holds %s is refused and left alone', (_, fill, message) => {
    const out = newFolder();
    fill(out);
    const before = readdirSync(out);
    expect(() => RunFolder.create({ ...name, out })).toThrow(message);
    expect(readdirSync(out)).toEqual(before);
  });

  test('a file in its place is refused', () => {
    const out = join(newFolder(), 'file');
    writeFileSync(out, '');
    expect(() => RunFolder.create({ ...name, out })).toThrow(/file to be a new or empty folder/);
  });
});

describe('RunFolder.open', () => {
  test('says what is wrong with a folder that is no run', () => {
    const folder = newFolder();
    expect(() => RunFolder.open(join(folder, 'x'))).toThrow(/folder of a run but there is nothing/);
    expect(() => RunFolder.open(folder)).toThrow(/it holds no config\.json\. Give the folder/);
    writeFileSync(join(folder, 'file'), '');
    expect(() => RunFolder.open(join(folder, 'file'))).toThrow(/but it is a file/);
    mkdirSync(join(folder, 'run-a'));
    writeFileSync(join(folder, 'run-a', 'config.json'), '{}');
    expect(() => RunFolder.open(folder)).toThrow(/it holds the runs run-a/);
  });

  test('a byte order mark, as some editors write one, is no part of the config', () => {
    const run = runWithCheckpoints();
    writeFileSync(run.configPath, `\ufeff${readFileSync(run.configPath, 'utf8')}`);
    expect(run.readConfig()).toEqual({ env: name.envId });
  });

  test('a damaged config is named', () => {
    const run = runWithCheckpoints();
    writeFileSync(run.configPath, '{"env": ');
    expect(() => RunFolder.open(run.path).readConfig()).toThrow(
      /config\.json to be a JSON object but received .*config\.json is damaged/,
    );
  });

  test('a missing summary is named', () => {
    expect(() => runWithCheckpoints().readSummary()).toThrow(/read .*summary\.json but .*ENOENT/);
  });
});

describe('a folder that cannot be made', () => {
  test.each([
    [
      'below a file',
      (folder: string) => join(folder, 'file', 'run'),
      'Something else is there: remove it',
    ],
    // Where mkdir() says that there is no such folder, Node 20 tries for ever.
    [
      'where there are no folders to make',
      () => '/proc/none/run',
      'The folder does not exist: make it first, or choose another',
    ],
  ])('%s', (_, place, remedy) => {
    const folder = newFolder();
    writeFileSync(join(folder, 'file'), '');
    expect(() => RunFolder.create({ ...name, out: place(folder) })).toThrow(remedy);
  });
});

describe('checkpoints of a run', () => {
  test('the newest is read, and the one before it is kept', () => {
    const run = runWithCheckpoints();
    const found = RunFolder.open(run.path).readCheckpoint();
    expect(found).toMatchObject({ path: run.checkpointPath, checkpoint: { steps: 20 } });
    expect(found.notice).toBeUndefined();
    expect(readdirSync(join(run.path, 'checkpoints')).toSorted()).toEqual([
      'latest.safetensors',
      'previous.safetensors',
    ]);
  });

  test.each<[string, (path: string) => void, RegExp]>([
    ['damaged', damage, /latest\.safetensors to be a safetensors file but it/],
    ['gone', (path) => rmSync(path), /latest\.safetensors but received ENOENT/],
  ])('when the newest is %s, the one before is used and this is said', (_, harm, problem) => {
    const run = runWithCheckpoints();
    harm(run.checkpointPath);
    const { checkpoint, path, notice } = run.readCheckpoint();
    expect(checkpoint.steps).toBe(10);
    expect(path).toBe(run.previousCheckpointPath);
    expect(notice).toMatch(problem);
    expect(notice).toContain(`Using ${path} (step 10) instead`);
  });

  test('when both are damaged, the error says what is wrong with each', () => {
    const run = runWithCheckpoints();
    damage(run.checkpointPath);
    damage(run.previousCheckpointPath);
    expect(() => run.readCheckpoint()).toThrow(RunError);
    expect(() => run.readCheckpoint()).toThrow(/latest\.safetensors.*previous\.safetensors/);
  });
});
