/** Where a file may be written, and what becomes of what was there. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { InvalidValueError, RunError } from '../../lib/errors.js';
import { writeOutputFile } from '../../lib/cli/output-file.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();
const content = Uint8Array.of(1, 2, 3);
const modeOf = (path: string): number => statSync(path).mode & 0o7777;

describe('writeOutputFile', () => {
  test('writes a new file with the mode that the process gives', () => {
    const folder = newFolder();
    writeOutputFile(join(folder, 'a'), content);
    writeFileSync(join(folder, 'b'), '');
    expect([...readFileSync(join(folder, 'a'))]).toEqual([1, 2, 3]);
    expect(modeOf(join(folder, 'a'))).toBe(modeOf(join(folder, 'b')));
  });

  test.each([0o600, 0o640, 0o755, 0o666])('keeps mode %o of the file that it replaces', (mode) => {
    const path = join(newFolder(), 'a');
    writeFileSync(path, 'old');
    chmodSync(path, mode);
    const umask = process.umask();
    writeOutputFile(path, content);
    expect([...readFileSync(path)]).toEqual([1, 2, 3]);
    expect(modeOf(path)).toBe(mode);
    expect(process.umask()).toBe(umask);
  });

  test.each(['there', 'not there yet'])(
    'follows a link of a link to a file that is %s',
    (where) => {
      const folder = newFolder();
      mkdirSync(join(folder, 'other'));
      const file = join(folder, 'other', 'file');
      if (where === 'there') writeFileSync(file, 'old');
      symlinkSync('other/file', join(folder, 'first'));
      symlinkSync(join(folder, 'first'), join(folder, 'second'));
      writeOutputFile(join(folder, 'second'), content);
      expect([...readFileSync(file)]).toEqual([1, 2, 3]);
      expect(lstatSync(join(folder, 'first')).isSymbolicLink()).toBe(true);
      expect(lstatSync(join(folder, 'second')).isSymbolicLink()).toBe(true);
      expect(readdirSync(join(folder, 'other'))).toEqual(['file']);
    },
  );

  test('refuses links that lead round in a circle', () => {
    const folder = newFolder();
    symlinkSync('b', join(folder, 'a'));
    symlinkSync('a', join(folder, 'b'));
    expect(() => writeOutputFile(join(folder, 'a'), content)).toThrow(
      /links lead round in a circle/,
    );
  });

  test('refuses folders and pipes, also behind a link', () => {
    const folder = newFolder();
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    symlinkSync(pipe, join(folder, 'link'));
    for (const path of [pipe, join(folder, 'link')]) {
      expect(() => writeOutputFile(path, content)).toThrow(/It is a device, a pipe or a socket/);
    }
    expect(lstatSync(pipe).isFIFO()).toBe(true);
    expect(() => writeOutputFile(folder, content)).toThrow(InvalidValueError);
    expect(() => writeOutputFile(folder, content)).toThrow(/It is a folder: choose another name/);
  });

  test('refuses what a run needs, but no file of its own name beside it', () => {
    const run = newFolder();
    for (const name of ['checkpoints', 'tb']) mkdirSync(join(run, name));
    for (const name of [
      'config.json',
      'metrics.jsonl',
      'summary.json',
      'checkpoints/latest',
      'tb/x',
    ]) {
      writeFileSync(join(run, name), 'of the run');
      expect(() => writeOutputFile(join(run, name), content)).toThrow(/The run needs it/);
      expect(readFileSync(join(run, name), 'utf8')).toBe('of the run');
    }
    symlinkSync(join(run, 'config.json'), join(run, 'link'));
    expect(() => writeOutputFile(join(run, 'link'), content)).toThrow(/The run needs it/);
    expect(() => writeOutputFile(join(run, 'checkpoints', 'new'), content)).toThrow(
      /The run needs/,
    );
    symlinkSync(join(run, 'checkpoints'), join(run, 'folder'));
    expect(() => writeOutputFile(join(run, 'folder', 'new'), content)).toThrow(/The run needs it/);
    mkdirSync(join(run, 'exports'));
    for (const name of ['policy.onnx', 'mine', 'exports/config.json']) {
      expect(() => writeOutputFile(join(run, name), content)).not.toThrow();
    }
    expect(() => writeOutputFile(join(newFolder(), 'config.json'), content)).not.toThrow();
  });

  test.each([250, 300, 5000])('a name of %i letters is an error that says so', (length) => {
    const folder = newFolder();
    expect(() => writeOutputFile(join(folder, 'a'.repeat(length)), content)).toThrow(RunError);
    expect(() => writeOutputFile(join(folder, 'a'.repeat(length)), content)).toThrow(
      /ENAMETOOLONG.*The name is too long: choose a shorter one/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });
});
