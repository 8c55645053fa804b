/** Polyak averaging of several networks in one call: the bits of one call for each. */
import { describe, expect, test } from '@jest/globals';
import type { Mlp, MlpOptions } from '../../lib/device/index.js';
import { randomFloats } from './reference.js';
import { onCpu, openDevices } from './support.js';

const open = openDevices();

/** Networks of every kind: odd widths, patterns, ensembles; more than a GPU's kernel takes at a time. */
const kinds: MlpOptions[] = [
  { sizes: [5, 33, 2], members: 2, patterns: [{ n: 2, m: 4 }, null] },
  { sizes: [1, 1] },
  { sizes: [40, 70, 50, 3], patterns: [null, { n: 1, m: 4 }, { n: 3, m: 7 }] },
  { sizes: [17, 6] },
  { sizes: [9, 12, 1], members: 3, patterns: Array(2).fill({ n: 2, m: 4 }), gradientRule: 'ste' },
];

function readAll(mlp: Mlp): Float32Array[] {
  const layers = Array.from({ length: mlp.members * mlp.layers }, (_, i) => i);
  return layers.flatMap((i) =>
    (['weight', 'maskedWeight', 'bias'] as const).map((part) =>
      mlp.read(i % mlp.layers, part, Math.floor(i / mlp.layers)),
    ),
  );
}

describe.each(onCpu ? (['fp32'] as const) : (['fp32', 'bf16'] as const))('%s', (precision) => {
  const device = open({ precision, sparse: 'always' });

  test.each([1, 2, 4, 5])('%i networks are averaged as one by one, bit for bit', (count) => {
    const [together, apart] = [1, 2].map(() =>
      kinds.slice(0, count).map((options, i) => ({
        source: device.mlp({ ...options, seed: 10 + i }),
        target: device.mlp({ ...options, seed: 20 + i, role: 'target' }),
      })),
    );
    const weight = randomFloats(33 * 5, 3).fill(NaN, 7, 9);
    for (const pairs of [together!, apart!]) pairs[0]!.source.write(0, 'weight', weight, 1);
    const before = together!.map(({ target }) => readAll(target));
    device.polyak(together!, 0.3);
    for (const { target, source } of apart!) target.polyak(source, 0.3);
    for (const [i, { target, source }] of together!.entries()) {
      expect(readAll(target)).toEqual(readAll(apart![i]!.target));
      expect(readAll(target)).not.toEqual(before[i]);
      expect(readAll(source)).toEqual(readAll(apart![i]!.source));
    }
    expect(together![0]!.target.read(0, 'weight', 1).filter(Number.isNaN).length).toBe(2);
    // What passes read follows too.
    const [x, y, z] = [device.matrix(33, 5), device.matrix(33, 2), device.matrix(33, 2)];
    x.set(randomFloats(33 * 5, 4));
    const members = { first: 0, count: 1 };
    together![0]!.target.forward(x, y.view(0, 2), { members });
    apart![0]!.target.forward(x, z.view(0, 2), { members });
    expect(y.get()).toEqual(z.get());
  });

  test('what cannot be averaged is refused before anything is', () => {
    const [a, b, c] = [1, 2, 3].map((seed) => device.mlp({ sizes: [3, 2], seed }));
    const elsewhere = open().mlp({ sizes: [3, 2] });
    const light = device.mlp({ sizes: [3, 2], role: 'inference' });
    const before = readAll(a!);
    const good = { target: a!, source: c! };
    const cases: [unknown, RegExp][] = [
      [undefined, /pairs to be an array/],
      [[good, null], /pairs\[1\] to be/],
      [[good, { target: b, source: {} }], /pairs\[1\]\.source to be a network of the same device/],
      [
        [good, { target: elsewhere, source: b }],
        /pairs\[1\]\.target to be a network of the device/,
      ],
      [[good, { target: a, source: b }], /pairs\[0\]\.target to be a network of no other pair/],
      [[good, { target: c, source: b }], /pairs\[1\]\.target to be a network of no other pair/],
    ];
    for (const [pairs, message] of cases) {
      expect(() => device.polyak(pairs as never, 0.5)).toThrow(message);
    }
    expect(() => device.polyak([good], 1.5)).toThrow(/tau/);
    const wide = device.mlp({ sizes: [3, 3] });
    expect(() => device.polyak([{ target: b!, source: wide }], 0.5)).toThrow(/same shape/);
    expect(() => device.polyak([{ target: light, source: b! }], 0.5)).toThrow(/inference/);
    expect(readAll(a!)).toEqual(before);
    device.polyak([], 0.5);
  });
});
