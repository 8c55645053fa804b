/** All of `bench gpu` on the emulated GPU. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import type { GpuBench } from '../../lib/bench/gpu/gpu-bench.js';
import { layerKernels } from '../../lib/bench/gpu/layers.js';
import { runCommand } from '../cli/support.js';
import { testDevice } from '../device/support.js';
import { temporaryFolders } from '../support/temporary-folder.js';

jest.setTimeout(600_000);

const makeFolder = temporaryFolders();

const emulated = testDevice === 'cuda-emulated' ? describe : describe.skip;
emulated('on the emulated GPU', () => {
  const flags =
    '--device=cuda-emulated --seconds=1 --precisions=bf16 --patterns=2:4 --widths=16 --batches=8 ' +
    '--updates=16x8';

  test('everything is measured, and marked as meaningless', async () => {
    const folder = makeFolder();
    const { code, out } = await runCommand('bench', 'gpu', ...flags.split(' '), '--out', folder);
    expect(code).toBe(0);
    expect(out).toContain('EMULATED');
    expect(out).toContain(`Result  ${join(folder, 'gpu-bench.json')}`);
    const text = readFileSync(join(folder, 'gpu-bench.json'), 'utf8');
    const bench = JSON.parse(text) as GpuBench;
    expect(bench).toMatchObject({ kind: 'rnm-td3 bench gpu', meaningful: false });
    expect([...bench.layers.omitted, ...bench.updates.omitted]).toEqual([]);
    checkLayers(bench);
    checkUpdates(bench);
  });
});

function checkLayers({ layers }: GpuBench): void {
  expect(layers.peaks).toMatchObject([{ precision: 'bf16', width: 16, batch: 8 }]);
  const names = layers.results.map(({ kernel, name, sparse }) => `${kernel} ${name} ${sparse}`);
  const members = ['dense null', '2:4 always', '2:4 auto'];
  expect(names).toEqual(
    members.flatMap((name) => layerKernels.map((kernel) => `${kernel} ${name}`)),
  );
  for (const { kernel, name, microseconds, usefulTflops, denseTflops } of layers.results) {
    if (microseconds === null) continue;
    expect(microseconds).toBeGreaterThan(0);
    if (kernel === 'adam') expect(denseTflops).toBeNull();
    else expect(usefulTflops! / denseTflops!).toBeCloseTo(name === 'dense' ? 1 : 0.5, 6);
  }
}

function checkUpdates({ updates }: GpuBench): void {
  const kinds = updates.updates.map(
    ({ name, sparse, graphs }) => `${name} ${sparse} ${graphs === true ? 'graphs' : 'eager'}`,
  );
  expect(kinds).toEqual([
    'dense null graphs',
    '2:4 always graphs',
    '2:4 never graphs',
    '2:4 auto graphs',
    'dense null eager',
    '2:4 auto eager',
  ]);
  for (const { updatesPerSecond, networkBytes } of updates.updates) {
    expect(updatesPerSecond).toBeGreaterThan(0);
    expect(networkBytes).toBeGreaterThan(0);
  }
  // Compressed copies of the weights are what "always" has and "never" has not.
  const [, always, never] = updates.updates.map(({ networkBytes }) => networkBytes!);
  expect(always).toBeGreaterThan(never!);
  expect(updates.refresh).toMatchObject([{ pattern: '2:4', width: 16, batch: 8 }]);
  expect(updates.refresh[0]!.shareOfAll).toBeGreaterThan(0);
  const acting = updates.act.map(({ device, name, graphs }) => `${device} ${name} ${graphs}`);
  expect(acting).toEqual([
    'cuda-emulated dense true',
    'cuda-emulated 2:4 true',
    'cuda-emulated dense false',
    'cuda-emulated 2:4 false',
    'cpu dense false',
    'cpu 2:4 false',
  ]);
}
