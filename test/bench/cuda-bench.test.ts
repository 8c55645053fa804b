/** All of `bench gpu` on the emulated GPU. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import type { GpuBench } from '../../lib/bench/gpu/gpu-bench.js';
import { layerKernels } from '../../lib/bench/gpu/layers.js';
import type { ModeChoice } from '../../lib/bench/gpu/sparse-modes.js';
import { runCommand } from '../cli/support.js';
import { testDevice } from '../device/support.js';
import { runTypeScript } from '../support/run-typescript.js';
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
    checkChoices(bench.layers.choices);
    checkChoices(bench.updates.choices);
  });

  test('a GPU with room for one group of networks at a time has room for all groups', async () => {
    const folder = makeFolder();
    // A device takes 67 MB, layers have six of them, and updates nine.
    const shell = 'export RNM_EMULATOR_FAIL=memory:660000000; exec';
    const args = ['bench', 'gpu', ...flags.split(' '), '--out', folder];
    const { ended } = runTypeScript('lib/cli/main.ts', args, folder, shell);
    const { code, stderr } = await ended;
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    const bench = JSON.parse(readFileSync(join(folder, 'gpu-bench.json'), 'utf8')) as GpuBench;
    expect([...bench.layers.omitted, ...bench.updates.omitted]).toEqual([]);
  });
});

function checkLayers({ layers }: GpuBench): void {
  expect(layers.peaks).toMatchObject([{ precision: 'bf16', width: 16, batch: 8 }]);
  const names = layers.results.map(
    ({ kernel, name, sparse, dataGradient }) => `${kernel} ${name} ${sparse} ${dataGradient}`,
  );
  const members = [
    'dense null null',
    '2:4 always dense',
    '2:4 always transposable',
    '2:4 always double-pruned',
    '2:4 auto dense',
    '2:4 auto double-pruned',
  ];
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

/** Told "always" everything that has to be is sparse; told "auto" there are times. */
function checkChoices(choices: ModeChoice[]): void {
  const passes = choices
    .filter(({ sparse, reason }) => sparse === 'always' && reason === 'sparse: always')
    .map(({ dataGradient, pass }) => `${dataGradient} ${pass}`);
  expect(new Set(passes)).toEqual(
    new Set([
      'dense forward',
      'transposable forward',
      'transposable data gradient',
      'double-pruned forward',
      'double-pruned data gradient',
    ]),
  );
  const measured = choices.filter(({ sparse, denseUs }) => sparse === 'auto' && denseUs !== null);
  expect(new Set(measured.map(({ pass }) => pass))).toEqual(new Set(['forward', 'data gradient']));
}

function checkUpdates({ updates }: GpuBench): void {
  const kinds = updates.updates.map(
    ({ name, sparse, dataGradient, graphs }) =>
      `${name} ${sparse} ${dataGradient} ${graphs === true ? 'graphs' : 'eager'}`,
  );
  expect(kinds).toEqual([
    'dense null null graphs',
    '2:4 never dense graphs',
    '2:4 always dense graphs',
    '2:4 always transposable graphs',
    '2:4 always double-pruned graphs',
    '2:4 auto dense graphs',
    '2:4 auto double-pruned graphs',
    'dense null null eager',
    '2:4 auto dense eager',
  ]);
  for (const { updatesPerSecond, networkBytes } of updates.updates) {
    expect(updatesPerSecond).toBeGreaterThan(0);
    expect(networkBytes).toBeGreaterThan(0);
  }
  // Compressed copies of the weights are what "always" has and "never" has not; those of transposes
  // come on top.
  const [, never, always, transposable, pruned] = updates.updates.map((each) => each.networkBytes!);
  expect(always).toBeGreaterThan(never!);
  expect(Math.min(transposable!, pruned!)).toBeGreaterThan(always!);
  expect(updates.refresh).toMatchObject(
    ['dense', 'transposable', 'double-pruned'].map((dataGradient) => {
      return { pattern: '2:4', dataGradient, width: 16, batch: 8 };
    }),
  );
  for (const { shareOfAll } of updates.refresh) expect(shareOfAll).toBeGreaterThan(0);
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
