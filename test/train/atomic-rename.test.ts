/** What becomes of files when the file system refuses single operations. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { temporaryFolders } from '../support/temporary-folder.js';

/** The operations that fail: "rename NAME" for one onto that name, or "link". */
const failing = new Set<string>();
function fail(operation: string): void {
  if (failing.has(operation)) throw new Error(`EIO: ${operation}`);
}
jest.unstable_mockModule('node:fs', () => ({
  ...fs,
  renameSync(from: string, to: string) {
    fail(`rename ${to.slice(to.lastIndexOf('/') + 1)}`);
    fs.renameSync(from, to);
  },
  linkSync(from: string, to: string) {
    fail('link');
    fs.linkSync(from, to);
  },
}));
const { writeFileAtomic } = await import('../../lib/train/atomic-file.js');

describe('writeFileAtomic that keeps the old content', () => {
  const newFolder = temporaryFolders();
  let folder: string;
  let [latest, previous]: string[] = [];
  const write = (content: string) => writeFileAtomic(latest!, content, previous);
  const contents = () => {
    const names = fs.readdirSync(folder).toSorted();
    return names.map((name) => `${name} ${fs.readFileSync(join(folder, name), 'utf8')}`);
  };

  beforeEach(() => {
    failing.clear();
    folder = newFolder();
    [latest, previous] = [join(folder, 'latest'), join(folder, 'previous')];
    write('1');
    write('2');
  });

  test.each(['rename latest', 'rename previous'])('%s fails: both are as they were', (name) => {
    failing.add(name);
    expect(() => write('3')).toThrow(`EIO: ${name}`);
    expect(contents()).toEqual(['latest 2', 'previous 1']);
    failing.clear();
    write('4');
    expect(contents()).toEqual(['latest 4', 'previous 2']);
  });

  test('without hard links the old content is copied', () => {
    failing.add('link');
    write('3');
    expect(contents()).toEqual(['latest 3', 'previous 2']);
  });
});
