/** Whatever a caller passes, the answer is an error of ours: never a crash, never a hang. */
import { describe, expect, test } from '@jest/globals';
import { Device, loadAddon, NmMatrix } from '../../lib/device/index.js';
import { randomSource } from './reference.js';
import { oneDenseLayer, openNative, testDevice } from './support.js';

const device = new Device({ device: testDevice, threads: 2 });
const matrix = device.matrix(5, 4);
const mlp = device.mlp({ sizes: [4, 6, 2], patterns: [{ n: 1, m: 4 }, null] });
const replay = device.replay({ capacity: 8, observationSize: 3, actionSize: 1 });
const nm = new NmMatrix(new Float32Array(24), { outputs: 4, inputs: 6 }, { n: 1, m: 3 });

/** Values that no method expects, and some that it does, so that later checks are reached too. */
const values: unknown[] = [
  undefined,
  null,
  NaN,
  -1,
  0,
  1,
  2,
  2.5,
  1e9,
  2 ** 31,
  2 ** 53,
  -Infinity,
  10n,
  '',
  'weight',
  'mask',
  Symbol('s'),
  [],
  [1, 2, 3],
  {},
  { first: -1, count: 9 },
  { first: 0, count: 1 },
  { keep: true },
  { learningRate: NaN },
  { low: 1, high: null, noiseScale: 'x' },
  { sizes: [4, 2], patterns: [{ n: -1, m: 2 }] },
  { capacity: 4, observationSize: {}, actionSize: [] },
  { reward: 1, q: matrix },
  () => 1,
  new Float32Array(0),
  new Float32Array(24),
  new Float64Array(20),
  new Date(0),
  matrix,
  matrix.view(1, 2),
  { matrix, first: 3, columns: 4 },
  { matrix, first: -2, columns: 1 },
  mlp,
  replay,
  nm,
  device,
  new Proxy({}, { get: () => undefined }),
];

/** Methods by name, without those that end the object. */
function methodsOf(target: object): string[] {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(target));
  return names.filter((name) => {
    const { value } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(target), name)!;
    return typeof value === 'function' && !['constructor', 'close', 'release'].includes(name);
  });
}

function pester(target: object, rounds: number, seed: number): number {
  const random = randomSource(seed);
  const pick = () => values[Math.floor(random() * values.length)];
  let errors = 0;
  for (const name of methodsOf(target)) {
    for (let round = 0; round < rounds; round++) {
      const args = Array.from({ length: Math.floor(random() * 6) }, pick);
      try {
        (target as Record<string, (...a: unknown[]) => unknown>)[name]!(...args);
      } catch (error) {
        errors++;
        expect(error).toHaveProperty('message');
      }
    }
  }
  return errors;
}

describe('garbage in', () => {
  test.each([
    ['device', device],
    ['matrix', matrix],
    ['mlp', mlp],
    ['replay', replay],
    ['NmMatrix', nm],
  ] as const)('%s', (_, target) => {
    expect(pester(target, 300, 1)).toBeGreaterThan(300);
  });

  test('the native classes, without the checks of TypeScript', () => {
    const { addon } = loadAddon();
    const native = openNative(addon);
    const objects = [
      native,
      new addon.Matrix(native, 3, 2),
      new addon.Network(native, oneDenseLayer(3, 2)),
      new addon.Replay(native, 4, 2, 1),
      new addon.NmMatrix(new Float32Array(12), 3, 4, 1, 2, 'row'),
    ];
    values.push(...objects);
    for (const target of objects) expect(pester(target, 500, 2)).toBeGreaterThan(300);
    for (const Class of [addon.Device, addon.Matrix, addon.Network, addon.Replay, addon.NmMatrix]) {
      const random = randomSource(3);
      for (let round = 0; round < 500; round++) {
        const pick = () => values[Math.floor(random() * values.length)];
        const args = Array.from({ length: Math.floor(random() * 6) }, pick);
        // Sizes that would only show how much memory there is.
        if (args.some((value) => typeof value === 'number' && value >= 1e9)) continue;
        try {
          new (Class as new (...a: unknown[]) => unknown)(...args);
        } catch (error) {
          expect(error).toHaveProperty('message');
        }
      }
    }
  });
});
