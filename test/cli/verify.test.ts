import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { decodeSafetensors, encodeSafetensors } from '../../lib/train/index.js';
import { temporaryFolders } from '../support/temporary-folder.js';
import { runCommand } from './support.js';

// All references take a second, and far more on a busy machine.
jest.setTimeout(60_000);

const fixtures = 'test/fixtures/td3';
const makeFolder = temporaryFolders();

/** A copy of a reference in which one expected weight is off by `error`. */
function spoil(error: number): string {
  const folder = makeFolder();
  const path = join(folder, 'dense.json');
  copyFileSync(join(fixtures, 'dense.json'), path);
  const { tensors, metadata } = decodeSafetensors(
    readFileSync(join(fixtures, 'dense.safetensors')),
  );
  const weights = tensors['u3.critic1.0.weight']!.data as Float32Array;
  weights[7] = (weights[7] ?? 0) + error;
  writeFileSync(join(folder, 'dense.safetensors'), encodeSafetensors(tensors, metadata));
  return path;
}

test('without files, every reference of the package is replayed', async () => {
  const { code, out, err } = await runCommand('verify', '--threads=1');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/^nm1of4_masked +agrees +6 +[\d,]+ +0 +0\.\d{3} +\w/m);
  expect(out).toMatch(/^All \d+ cases agree with PyTorch\.$/m);
});

test('--json prints an object per case', async () => {
  const { code, out } = await runCommand('verify', '--json', join(fixtures, 'nm2of4_ste.json'));
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ name: 'nm2of4_ste', passed: true, maskMismatches: 0 });
});

test('one value that differs is a miss: exit code 1, and where it is', async () => {
  const good = join(fixtures, 'nm1of4_masked.json');
  const { code, out } = await runCommand('verify', spoil(1e-4), good);
  expect(code).toBe(1);
  expect(out).toMatch(/^dense +DIFFERS .* critic1\.0\.weight after update 3$/m);
  expect(out).toMatch(/^nm1of4_masked +agrees/m);
  expect(out).toMatch(
    /^dense: 0 wrong mask entries; weights off by 1\.00e-4 in critic1\.0\.weight/m,
  );
  expect(out).toMatch(/^1 of 2 cases differ from PyTorch\.$/m);
});

test('a difference within the tolerance is none', async () => {
  expect((await runCommand('verify', spoil(5e-7))).code).toBe(0);
});

test.each([
  ['no.json', 'Could not read no.json: ENOENT'],
  ['README.md', 'README.md is not JSON: '],
  ['package.json', 'package.json is no reference of TD3 updates (config: missing). Pass the .json'],
])('%s is no reference', async (path, message) => {
  const { code, out, err } = await runCommand('verify', path);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toContain(`error: ${message}`);
  expect(err).toMatch(/Pass the \.json of a reference.*, or nothing for those of the package\n$/);
});
