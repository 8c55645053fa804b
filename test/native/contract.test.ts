/** The hash by which an addon knows a plugin that was built from the same headers. */
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { temporaryFolders } from '../support/temporary-folder.js';

const native = join(import.meta.dirname, '..', '..', 'native');
const newFolder = temporaryFolders();

const contractOf = (folder: string): string =>
  execFileSync('cmake', ['-P', join(folder, 'contract.cmake')], { encoding: 'utf8' });

/** A header, and the project's own that it includes, and that those include. */
function includedBy(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(join(native, file), 'utf8');
  for (const [, name = ''] of text.matchAll(/^#include "(.*)"/gm)) includedBy(name, found);
  return found;
}

// The addon can be built without CMake, but then it has no plugin.
const withCMake = spawnSync('cmake', ['--version']).status === 0 ? test : test.skip;

withCMake(
  'a change in any header of the core, or that the plugin includes, gives another contract',
  () => {
    const core = readdirSync(join(native, 'core')).filter((name) => name.endsWith('.h'));
    const headers = new Set([
      ...core.map((name) => `core/${name}`),
      ...includedBy('cuda/plugin.h'),
    ]);
    expect([...headers]).toEqual(expect.arrayContaining(['core/backend.h', 'core/mask_shape.h']));

    const copy = newFolder();
    cpSync(native, copy, { recursive: true });
    const contract = contractOf(copy);
    expect(contract).toMatch(/[0-9a-f]{64}/);
    expect(contractOf(native)).toBe(contract);
    for (const header of headers) {
      const path = join(copy, header);
      const text = readFileSync(path);
      appendFileSync(path, '// changed\n');
      expect({ header, same: contractOf(copy) === contract }).toEqual({ header, same: false });
      writeFileSync(path, text);
    }
    writeFileSync(join(copy, 'core', 'one_more.h'), '');
    expect(contractOf(copy)).not.toBe(contract);
  },
);
