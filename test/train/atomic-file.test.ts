import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { RunError } from '../../lib/errors.js';
import {
  AppendFile,
  JsonLinesFile,
  readJsonLines,
  writeFileAtomic,
} from '../../lib/train/atomic-file.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();

describe('writeFileAtomic', () => {
  test('writes bytes and text, replaces what was there, and leaves nothing else', () => {
    const folder = newFolder();
    const path = join(folder, 'file');
    writeFileAtomic(path, Uint8Array.of(1, 2, 3));
    expect([...readFileSync(path)]).toEqual([1, 2, 3]);
    writeFileAtomic(path, 'new');
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(readdirSync(folder)).toEqual(['file']);
  });

  test('keeps the old content under another name when asked to', () => {
    const folder = newFolder();
    const [path, old] = [join(folder, 'latest'), join(folder, 'previous')];
    for (const content of ['1', '2', '3']) writeFileAtomic(path, content, old);
    expect(readFileSync(path, 'utf8')).toBe('3');
    expect(readFileSync(old, 'utf8')).toBe('2');
  });

  test('a failure names the file and leaves no temporary one', () => {
    const folder = newFolder();
    mkdirSync(join(folder, 'taken', 'inside'), { recursive: true });
    expect(() => writeFileAtomic(join(folder, 'taken'), 'x')).toThrow(RunError);
    expect(() => writeFileAtomic(join(folder, 'taken'), 'x')).toThrow(/Expected to write .*taken/);
    expect(readdirSync(folder)).toEqual(['taken']);
    const path = join(folder, 'no', 'file');
    expect(() => writeFileAtomic(path, 'x')).toThrow(
      `Expected to write ${path} but received ENOENT: no such file or directory. ` +
        'The folder does not exist',
    );
  });

  test('on a full disk the old content stays, and the error says what to do', () => {
    const disk = newFolder();
    // A file system of 64 KiB; mounting takes root.
    if (!canRun('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk)) return;
    try {
      const path = join(disk, 'checkpoint');
      writeFileAtomic(path, 'good');
      expect(() => writeFileAtomic(path, new Uint8Array(200_000), `${path}.old`)).toThrow(
        /Expected to write .*checkpoint but received ENOSPC.*The disk is full: free space/,
      );
      expect(readdirSync(disk)).toEqual(['checkpoint']);
      expect(readFileSync(path, 'utf8')).toBe('good');
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

function canRun(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('AppendFile', () => {
  test('a record that does not fit leaves nothing of itself', () => {
    const disk = newFolder();
    if (!canRun('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk)) return;
    try {
      const file = new AppendFile(join(disk, 'log'));
      file.append(Buffer.from('first\n'));
      expect(() => file.append(Buffer.alloc(200_000, 'x'))).toThrow(/log but received ENOSPC/);
      expect(readFileSync(file.path, 'utf8')).toBe('first\n');
      // Once there is space again, it goes on.
      file.append(Buffer.from('second\n'));
      file.close();
      expect(readFileSync(file.path, 'utf8')).toBe('first\nsecond\n');
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  test('an existing file is not touched', () => {
    const path = join(newFolder(), 'log');
    writeFileSync(path, 'old');
    expect(() => new AppendFile(path)).toThrow(/EEXIST/);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  test('a closed file refuses more', () => {
    const file = new AppendFile(join(newFolder(), 'log'));
    file.close();
    file.close();
    expect(() => file.append(Buffer.from('x'))).toThrow(/to be open but it is closed/);
    expect(() => file.flush()).toThrow(/to be open but it is closed/);
  });
});

describe('JSON lines', () => {
  const records = [{ step: 1, note: 'line\nbreak' }, { step: 2 }];

  function writeRecords(): string {
    const path = join(newFolder(), 'metrics.jsonl');
    const file = new JsonLinesFile(path);
    for (const record of records) file.append(record);
    file.flush();
    file.close();
    return path;
  }

  test('come back as they were', () => {
    expect(readJsonLines(writeRecords())).toEqual(records);
  });

  test('a byte order mark, as some editors write one, is no part of the first record', () => {
    const path = writeRecords();
    writeFileSync(path, `\ufeff${readFileSync(path, 'utf8')}`);
    expect(readJsonLines(path)).toEqual(records);
  });

  test('a last line that was cut off at any byte is left out', () => {
    const path = writeRecords();
    const whole = readFileSync(path);
    const firstLine = whole.indexOf('\n') + 1;
    for (let length = firstLine; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      expect(readJsonLines(path)).toEqual(records.slice(0, 1));
    }
  });

  test('any other bad line is named', () => {
    const path = writeRecords();
    appendFileSync(path, '[3]\n{"step":4}\n');
    expect(() => readJsonLines(path)).toThrow(
      /metrics\.jsonl, line 3 to be a JSON object but .*\[3\]/,
    );
  });

  test('a file that is not there is named', () => {
    const path = join(newFolder(), 'none.jsonl');
    expect(() => readJsonLines(path)).toThrow(/Expected to read .*none\.jsonl but received ENOENT/);
    expect(existsSync(path)).toBe(false);
  });
});
