import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { runCommand } from '../cli/support.js';
import { anchors, commandLines, localLinks, prose, readDocument, root } from './markdown.js';

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Flags of other programs that the documents mention. */
const foreignFlags = [
  '--import', // node
  '--ignore-scripts', // npm
  '--logdir', // tensorboard
  '--write', // prettier
  '--help',
  '--verbose', // native/install.mjs
  '--debug', // rnm-td3 itself
  '--alone', // bench/peers/torch_td3.py
  '--suites', // npm run test:gpu
  '--task', // the same
  '--gpus', // docker
];

/** What is wrong with a link, or undefined. */
function problem(document: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? document : join(dirname(document), path);
  if (!existsSync(join(root, target))) return `${link}: there is no ${target}`;
  if (anchor === undefined || anchors(readDocument(target)).includes(anchor)) return undefined;
  return `${link}: ${target} has no such heading`;
}

/** The long flags that the help of a command lists, such as "train" or "bench update". */
async function flagsOf(command: string): Promise<string[]> {
  const { code, out } = await runCommand('help', ...command.split(' '));
  expect({ command, code }).toEqual({ command, code: 0 });
  return out.match(/(?<=^ +(-\w, )?)--[a-z-]+/gm) ?? [];
}

test('every link within the repository leads somewhere', () => {
  const links = documents.flatMap((document) =>
    localLinks(readDocument(document)).map((link) => ({ document, link })),
  );
  expect(links.length).toBeGreaterThan(10);
  const problems = links.map(({ document, link }) => problem(document, link));
  expect(problems.filter((text) => text !== undefined)).toEqual([]);
});

describe('every flag that a document shows is one of the command line', () => {
  test('in shell blocks: one of that very command', async () => {
    const lines = documents.flatMap((document) => commandLines(readDocument(document)));
    const commands = [...new Set(lines.map(({ command }) => command))];
    expect(commands.toSorted()).toEqual(
      expect.arrayContaining(['eval', 'export', 'info', 'train', 'verify']),
    );
    for (const { command, flags, line } of lines) {
      const known = await flagsOf(command);
      expect({ line, unknown: flags.filter((flag) => !known.includes(flag)) }).toEqual({
        line,
        unknown: [],
      });
    }
  });

  test('in sentences and tables: one of some command', async () => {
    const benchmarks = ['bench kernels', 'bench update', 'bench speedup', 'bench gpu'];
    const commands = ['train', 'eval', 'export', 'info', 'verify', ...benchmarks];
    const known = [...(await Promise.all(commands.map(flagsOf))).flat(), ...foreignFlags];
    const shown = documents.flatMap((document) =>
      [...prose(readDocument(document)).matchAll(/`[^`\n]*`/g)].flatMap(
        ([code]) => code.match(/(?<=[` ])--[a-z-]+/g) ?? [],
      ),
    );
    expect(shown).toContain('--json');
    expect(shown.filter((flag) => !known.includes(flag))).toEqual([]);
  });
});
