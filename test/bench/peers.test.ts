import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { startPeers } from '../../lib/bench/peers.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const makeFolder = temporaryFolders();
const shape = {
  obs: 3,
  act: 2,
  hidden: 16,
  batch: 16,
  threads: 1,
  gradientRule: 'masked',
  replay: 100,
} as const;

/** A program that says it has every library, and then does what `body` says. */
function fakePython(body: string): string {
  const path = join(makeFolder(), 'python');
  writeFileSync(path, `#!/bin/sh\nif [ "$1" = -c ]; then exit 0; fi\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('startPeers', () => {
  test('a Python that is not there is a note, no error', async () => {
    const peers = await startPeers({ shape, python: '/no/such/python' });
    expect(peers.candidates).toEqual([]);
    expect(peers.notes).toEqual([
      'torch: not found by /no/such/python; name a Python with --python',
      'jax: not found by /no/such/python; name a Python with --python',
    ]);
    peers.close();
  });

  test('a script that ends is a note with its last words', async () => {
    const python = fakePython('echo "ImportError: libtorch is broken" >&2; exit 1');
    const peers = await startPeers({ shape, python, libraries: ['torch'] });
    expect(peers.notes).toEqual([
      'torch: the script for torch ended: ImportError: libtorch is broken',
    ]);
    peers.close();
  });

  test('variants are asked one at a time, and say what does not run', async () => {
    const ready = JSON.stringify({
      ready: true,
      library: 'torch',
      version: '9',
      variants: [{ name: 'eager', multiple: 2, setupSeconds: 1 }],
      failed: { compiled: 'no compiler' },
    });
    // Answers with the number of updates that it was asked for as seconds.
    const answer = `sed -u 's/.*"updates":\\([0-9]*\\).*/{"seconds": \\1}/'`;
    const python = fakePython(`echo '${ready}'\n${answer}`);
    const peers = await startPeers({ shape, python, libraries: ['torch'] });
    expect(peers.notes).toEqual([
      'torch 9: eager (1 s to set up)',
      'torch compiled does not run: no compiler',
    ]);
    expect(peers.candidates).toMatchObject([{ name: 'torch eager', multiple: 2 }]);
    expect(await peers.candidates[0]!.run(6)).toBe(6);
    expect(await peers.candidates[0]!.run(8)).toBe(8);
    peers.close();
  });
});
