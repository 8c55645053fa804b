import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { codeBlocks, readDocument, root } from './markdown.js';

const run = promisify(execFile);
const blocks = codeBlocks(readDocument('README.md')).filter(({ language }) => language === 'js');

/** What the comments of a block say that it prints. */
function promised(code: string): string[] {
  return [...code.matchAll(/\/\/ => (.*)$/gm)].map((match) => match[1] ?? '');
}

/** A folder as a user has it: the package, built as for publishing, lies in node_modules. */
async function installPackage(folder: string): Promise<void> {
  const installed = join(folder, 'node_modules', 'rnm-td3');
  mkdirSync(installed, { recursive: true });
  copyFileSync(join(root, 'package.json'), join(installed, 'package.json'));
  for (const name of ['build', 'fonts', 'native', 'node_modules'])
    symlinkSync(join(root, name), join(installed, name));
  const compiler = join(root, 'node_modules', '.bin', 'tsc');
  await run(compiler, ['-p', 'tsconfig.build.json', '--outDir', join(installed, 'dist')], {
    cwd: root,
  });
}

describe('the examples of README.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rnm-td3-readme-'));
  beforeAll(() => installPackage(folder), 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('there are some, and most say what they print', () => {
    expect(blocks.length).toBeGreaterThanOrEqual(7);
    expect(blocks.flatMap(({ code }) => promised(code)).length).toBeGreaterThanOrEqual(10);
  });

  // In order and in one folder: later blocks may use what earlier ones wrote.
  test.each(blocks)(
    'the one in line $line runs and prints what it says',
    async ({ line, code }) => {
      const file = join(folder, `line-${line}.mjs`);
      writeFileSync(file, code);
      const { stdout, stderr } = await run(process.execPath, [file], { cwd: folder });
      expect(stderr).toBe('');
      // Lines that vary between machines have no promise; those that have one come in its order.
      const expected = promised(code);
      expect(stdout.split('\n').filter((text) => expected.includes(text))).toEqual(expected);
    },
    120_000,
  );
});
