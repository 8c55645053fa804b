/** Mask updates by swaps, what becomes of moments, and dormant weights that are scaled. */
import { describe, expect, test } from '@jest/globals';
import type {
  Device,
  DeviceOptions,
  MaskUpdateOptions,
  Mlp,
  MlpOptions,
} from '../../lib/device/index.js';
import { projectMask, randomFloats, randomSource } from './reference.js';
import type { Pattern } from './reference.js';
import { onCpu, openDevices, testDevice, variants } from './support.js';
import { byChance, byGradient, swap, tilesOf } from './swap-reference.js';
import type { SwapLayer } from './swap-reference.js';

const open = openDevices({ precision: 'fp32' });

interface Case {
  sizes: number[];
  patterns: (Pattern | null)[];
  maskShape?: 'row' | 'transposable';
}

const of = (n: number, m: number): Pattern => ({ n, m });
/** Odd sizes: short groups at the right, short bands at the bottom, layers in which nothing is dormant. */
const rowCases: Case[] = [
  { sizes: [19, 45, 30, 3], patterns: [of(2, 4), of(3, 7), null] },
  { sizes: [70, 33, 7], patterns: [of(1, 32), of(4, 4)] },
  { sizes: [34, 9, 2], patterns: [of(31, 32), of(1, 4)] },
  { sizes: [3, 1, 4], patterns: [of(1, 2), of(1, 2)] },
];
const tileCases: Case[] = [
  { sizes: [18, 31, 13, 2], patterns: Array(3).fill(of(2, 4)), maskShape: 'transposable' },
  { sizes: [9, 22, 3], patterns: [of(1, 4), of(3, 4)], maskShape: 'transposable' },
];
const cases = [...rowCases, ...tileCases];
const titleOf = (each: Case) => {
  const patterns = each.patterns.map((p) => (p === null ? 'dense' : `${p.n}:${p.m}`));
  return `${patterns.join(', ')}, ${each.maskShape ?? 'row'}`;
};
const titled = cases.map((each) => [titleOf(each), each] as const);

/** Numbers of which many are equal, and some no numbers. */
function coarseFloats(length: number, seed: number): Float32Array {
  const random = randomSource(seed);
  return Float32Array.from({ length }, () => {
    const value = Math.round((2 * random() - 1) * 4) / 4;
    const chance = random();
    return chance < 0.02 ? NaN : chance < 0.03 ? -Infinity : value;
  });
}

type Draw = (length: number, seed: number) => Float32Array;
const fineFloats: Draw = (length, seed) => randomFloats(length, seed);

const places = (mlp: Mlp) =>
  Array.from({ length: mlp.members * mlp.layers }, (_, i) => ({
    layer: i % mlp.layers,
    member: Math.floor(i / mlp.layers),
    number: i,
    length: mlp.sizes[i % mlp.layers]! * mlp.sizes[(i % mlp.layers) + 1]!,
  }));
type Place = ReturnType<typeof places>[number];

/** Two members whose active weights are not the largest, with gradients of all weights. */
function make(device: Device, each: Case, draw: Draw, more: Partial<MlpOptions> = {}): Mlp {
  const mlp = device.mlp({ ...each, members: 2, seed: 5, ...more });
  for (const { layer, member, number, length } of places(mlp)) {
    mlp.write(layer, 'weight', draw(length, 10 + number), member);
    mlp.write(layer, 'dormantGradient', draw(length, 30 + number), member);
  }
  return mlp;
}

const parts = ['weight', 'mask', 'weightMoment1', 'weightMoment2', 'dormantGradient'] as const;
const readAll = (mlp: Mlp, which: readonly (typeof parts)[number][] = parts) =>
  places(mlp).map(({ layer, member }) => which.map((part) => mlp.read(layer, part, member)));

function layerAt(mlp: Mlp, each: Case, { layer, member }: Place): SwapLayer | null {
  const pattern = each.patterns[layer]!;
  if (pattern === null) return null;
  return {
    inputs: mlp.sizes[layer]!,
    outputs: mlp.sizes[layer + 1]!,
    pattern,
    transposable: each.maskShape === 'transposable',
    weight: mlp.read(layer, 'weight', member),
    mask: mlp.read(layer, 'mask', member),
  };
}

/** Updates the masks and compares them, and the weights, with what they should become. */
function check(mlp: Mlp, each: Case, update: MaskUpdateOptions): void {
  const { rule, dropFraction = 0.3, seed = 0, stream = 0 } = update;
  const expected = places(mlp).map((place) => {
    const layer = layerAt(mlp, each, place);
    if (layer === null) return { weight: mlp.read(place.layer, 'weight', place.member) };
    const choose =
      rule === 'random'
        ? byChance(seed, stream, place.number)
        : byGradient(mlp.read(place.layer, 'dormantGradient', place.member));
    const { mask, lost, grown } = swap(layer, dropFraction, choose);
    const weight = Float32Array.from(layer.weight);
    for (const at of [...lost, ...grown]) weight[at] = 0;
    return { mask, weight, changed: lost.length + grown.length };
  });
  const changed = expected.reduce((sum, each) => sum + (each.changed ?? 0), 0);
  expect(mlp.updateMasks(update)).toBe(changed);
  for (const { layer, member, number } of places(mlp)) {
    const { mask, weight } = expected[number]!;
    if (mask !== undefined) expect(mlp.read(layer, 'mask', member)).toEqual(mask);
    expect(mlp.read(layer, 'weight', member)).toEqual(weight);
    const active = mlp.read(layer, 'mask', member);
    const masked = weight.map((w, i) => (active[i] === 1 ? w : 0));
    expect(mlp.read(layer, 'maskedWeight', member)).toEqual(masked);
  }
}

const ways: [string, DeviceOptions][] = variants.flatMap(([name, options]) =>
  (onCpu ? [1, 2, 3] : [1]).map((threads): [string, DeviceOptions] => {
    return [`${name}, threads ${threads}`, { ...options, threads }];
  }),
);

describe.each(titled)('swaps, %s', (_, each) => {
  test.each(['masked', 'sr-ste'] as const)('by gradient, %s', (gradientRule) => {
    const device = open();
    for (const draw of [fineFloats, coarseFloats]) {
      const mlp = make(device, each, draw, { gradientRule });
      const before = readAll(mlp, ['mask', 'weight']);
      check(mlp, each, { rule: 'gradient', dropFraction: 0 });
      expect(readAll(mlp, ['mask', 'weight'])).toEqual(before);
      // After the first among weights of which some are 0.
      for (const dropFraction of [0.3, 0.07, 0.5, 1]) {
        check(mlp, each, { rule: 'gradient', dropFraction });
      }
    }
  });

  test('at random', () => {
    const device = open();
    const after = [
      { seed: 0, stream: 0 },
      { seed: 2 ** 53 - 1, stream: 3 },
      { seed: 7, stream: 2 ** 40 + 5 },
    ].map((numbers) => {
      const mlp = make(device, each, fineFloats);
      check(mlp, each, { rule: 'random', dropFraction: 0.6, ...numbers });
      return readAll(mlp, ['mask']).map(([mask]) => mask!.join(''));
    });
    if (each.sizes[0]! > 3) expect(new Set(after.map((masks) => masks.join())).size).toBe(3);
  });

  // The masks of the CPU, with any number of threads and any kernels, are those of a GPU.
  test.each(ways)('the same everywhere: %s', (_, options) => {
    for (const update of [
      { rule: 'gradient', dropFraction: 0.4 },
      { rule: 'random', dropFraction: 0.4, seed: 11, stream: 12 },
    ] as const) {
      const [here, there] = [options, { device: 'cpu', threads: 2 } as const].map((where) => {
        const mlp = make(open(where), each, coarseFloats, { newMoment: 'row-mean' });
        for (const { layer, member, number, length } of places(mlp)) {
          const moments = randomFloats(length, 50 + number).map(Math.abs);
          mlp.write(layer, 'weightMoment2', moments, member);
        }
        mlp.updateMasks(update);
        return mlp;
      });
      expect(readAll(here!)).toEqual(readAll(there!));
    }
  });
});

test('ties: the upper, left unit; the higher column goes, the lower one comes', () => {
  const device = open();
  const mlp = device.mlp({ sizes: [8, 2], patterns: [of(2, 4)] });
  mlp.write(0, 'weight', new Float32Array(16).fill(1));
  mlp.write(0, 'mask', Float32Array.from('1010110000111001', Number));
  mlp.write(0, 'dormantGradient', new Float32Array(16).fill(-2));
  // Half a unit more is rounded up, less is not.
  const update = (dropFraction: number) => mlp.updateMasks({ rule: 'gradient', dropFraction });
  expect(update(0.12)).toBe(0);
  expect(update(0.125)).toBe(2);
  expect(mlp.read(0, 'mask').join('')).toBe('1100110000111001');
  expect(mlp.read(0, 'weight').join('')).toBe('1001111111111111');
  // That unit has the smallest active weight still; the next one follows.
  expect(update(0.5)).toBe(4);
  expect(mlp.read(0, 'mask').join('')).toBe('1010101000111001');
});

test('by default three of ten units', () => {
  const mlp = make(open(), { sizes: [40, 10], patterns: [of(1, 4)] }, fineFloats);
  expect(mlp.updateMasks({ rule: 'gradient' })).toBe(2 * 2 * 30);
});

describe('swaps at random', () => {
  test('dormant columns are drawn alike', () => {
    const [inputs, outputs] = [160, 200];
    const each: Case = { sizes: [inputs, outputs], patterns: [of(1, 4)] };
    const mlp = make(open(), each, fineFloats);
    const before = mlp.read(0, 'mask', 0);
    mlp.updateMasks({ rule: 'random', dropFraction: 1, seed: 4 });
    const after = mlp.read(0, 'mask', 0);
    // Which of a group's three dormant columns became active.
    const counts = [0, 0, 0];
    for (let group = 0; group < before.length; group += 4) {
      const dormant = [0, 1, 2, 3].filter((c) => before[group + c] === 0);
      const grown = dormant.filter((c) => after[group + c] === 1);
      expect(grown).toHaveLength(1);
      counts[dormant.indexOf(grown[0]!)]!++;
    }
    const expected = (inputs * outputs) / 4 / 3;
    const deviations = counts.map((count) => (count - expected) ** 2 / expected);
    // Chi squared of two degrees of freedom: one of 1000 is above.
    expect(deviations.reduce((sum, d) => sum + d)).toBeLessThan(13.8);
  });

  test('members, layers, seeds and streams have numbers of their own', () => {
    const each: Case = { sizes: [64, 64, 64], patterns: [of(1, 4), of(1, 4)] };
    const masks = [
      { seed: 0, stream: 0 },
      { seed: 1, stream: 0 },
      { seed: 0, stream: 1 },
    ].flatMap((numbers) => {
      const mlp = open().mlp({ ...each, members: 2 });
      for (const { layer, member, length } of places(mlp)) {
        mlp.write(layer, 'weight', new Float32Array(length).fill(1), member);
      }
      mlp.updateMasks();
      mlp.updateMasks({ rule: 'random', dropFraction: 1, ...numbers });
      return readAll(mlp, ['mask']).map(([mask]) => mask!.join(''));
    });
    expect(new Set(masks).size).toBe(masks.length);
  });
});

const validTiles = (rows: number, n: number) =>
  new Set(tilesOf(rows, n).map((tile) => tile.join('')));

describe.each(titled.filter(([, each]) => each.maskShape))('%s, tile by tile', (_, each) => {
  test.each(['gradient', 'random'] as const)('stay so, and change as little, %s', (rule) => {
    const mlp = make(open(), each, fineFloats);
    for (let step = 0; step < 4; step++) {
      const before = readAll(mlp, ['mask']);
      mlp.updateMasks({ rule, dropFraction: 1, stream: step });
      for (const { layer, member, number } of places(mlp)) {
        const mask = mlp.read(layer, 'mask', member);
        const [inputs, outputs] = [mlp.sizes[layer]!, mlp.sizes[layer + 1]!];
        const n = each.patterns[layer]!.n;
        for (let top = 0; top < outputs; top += 4) {
          const rows = Math.min(4, outputs - top);
          if (rows <= n) continue;
          const valid = validTiles(rows, n);
          for (let left = 0; left + 4 <= inputs; left += 4) {
            const tile = (of: ArrayLike<number>) =>
              Array.from({ length: 4 * rows }, (_, k) => {
                return of[(top + Math.floor(k / 4)) * inputs + left + (k % 4)]!;
              });
            const [then, now] = [tile(before[number]![0]!), tile(mask)];
            expect(valid.has(now.join(''))).toBe(true);
            expect([2, 4]).toContain(now.filter((entry, k) => entry !== then[k]).length);
          }
        }
      }
    }
  });
});

describe.each(['masked', 'ste', 'sr-ste'] as const)('moments, %s', (gradientRule) => {
  const newMoments = ['zero', 'row-mean'] as const;
  const changes: [string, (mlp: Mlp, other: Mlp) => unknown][] = [
    ['projection', (mlp) => mlp.updateMasks()],
    ['masks of another', (mlp, other) => mlp.followMasks(other)],
    ['a copy of another', (mlp, other) => mlp.copyFrom(other)],
    ['swaps by gradient', (mlp) => mlp.updateMasks({ rule: 'gradient', dropFraction: 0.5 })],
    ['swaps at random', (mlp) => mlp.updateMasks({ rule: 'random', dropFraction: 0.5 })],
  ];

  test.each(
    [rowCases[0]!, rowCases[2]!, tileCases[0]!].flatMap((each) =>
      newMoments.flatMap((newMoment) =>
        changes.map(([name, change]) => {
          return { title: titleOf(each), each, newMoment, name, change };
        }),
      ),
    ),
  )('$title, $newMoment, $name', ({ each, newMoment, name, change }) => {
    const device = open();
    const mlp = make(device, each, fineFloats, { gradientRule, newMoment });
    const other = device.mlp({ ...each, members: 2, seed: 6 });
    for (const { layer, member, number, length } of places(mlp)) {
      mlp.write(layer, 'weightMoment1', randomFloats(length, 60 + number), member);
      const squares = randomFloats(length, 70 + number).map((m) => m * m);
      mlp.write(layer, 'weightMoment2', squares, member);
    }
    const before = readAll(mlp);
    change(mlp, other);
    const after = readAll(mlp);
    let compared = 0;
    for (const { layer, number } of places(mlp)) {
      const [, mask, moment1, moment2] = before[number]!;
      const [, newMask, received1, received2] = after[number]!;
      const inputs = mlp.sizes[layer]!;
      // Of all weights, but that swaps begin anew.
      const dense = gradientRule !== 'masked' || each.patterns[layer] === null;
      const keeps = (i: number) =>
        mask![i] === newMask![i] && (dense || mask![i] === 1) ? true : dense && !/swap/.test(name);
      const mean = (i: number) => {
        const row = i - (i % inputs);
        const active = moment2!.slice(row, row + inputs).filter((_, k) => mask![row + k] === 1);
        return Math.fround(active.reduce((sum, m) => sum + m, 0) / active.length);
      };
      expect(received1).toEqual(moment1!.map((m, i) => (keeps(i) ? m : 0)));
      const expected = moment2!.map((m, i) => {
        if (keeps(i)) return m;
        compared += newMask![i] === 1 ? 1 : 0;
        return newMask![i] === 1 && newMoment === 'row-mean' ? mean(i) : 0;
      });
      expect(received2).toEqual(expected);
    }
    const starts = gradientRule === 'masked' || /swap/.test(name);
    expect(compared > 10).toBe(starts);
  });
});

describe('dormant weights are scaled', () => {
  test.each([0, 0.5, 1])('by %p', (factor) => {
    for (const each of cases) {
      const mlp = make(open(), each, coarseFloats);
      const before = readAll(mlp);
      mlp.scaleDormant(factor);
      const expected = before.map(([weight, mask]) =>
        weight!.map((w, i) => (mask![i] === 1 ? w : w * factor)),
      );
      expect(readAll(mlp, ['weight'])).toEqual(expected.map((weight) => [weight]));
      expect(readAll(mlp, parts.slice(1))).toEqual(before.map((values) => values.slice(1)));
      mlp.updateMasks();
      if (each.maskShape === 'transposable') continue;
      for (const { layer, member, number } of places(mlp)) {
        // NaN is the largest.
        const sizes = expected[number]!.map((w) => (Number.isNaN(w) ? Infinity : w));
        const mask = projectMask(sizes, mlp.sizes[layer]!, each.patterns[layer]!);
        expect(mlp.read(layer, 'mask', member)).toEqual(Float32Array.from(mask));
      }
    }
  });

  test('what passes compute is as it was', () => {
    const each = rowCases[0]!;
    const [device, rows] = [open(), 5];
    const mlp = make(device, each, fineFloats);
    const [x, y] = [device.matrix(rows, 19), device.matrix(rows, 6)];
    x.set(randomFloats(rows * 19, 3));
    mlp.forward(x, y);
    const before = y.get();
    mlp.scaleDormant(0.25);
    mlp.forward(x, y);
    expect(y.get()).toEqual(before);
  });
});

describe('what cannot be done is refused', () => {
  const each = rowCases[0]!;
  const mlp = open().mlp(each);
  const before = readAll(mlp);

  test.each([
    [{ rule: 'gradient' }, 'Call backward with gradients of dormant weights before a mask update'],
    [{ rule: 'largest' }, 'Expected rule to be one of "magnitude", "gradient", "random"'],
    [{ rule: 'random', dropFraction: -0.1 }, 'Expected dropFraction to be'],
    [{ rule: 'random', dropFraction: 1.01 }, 'Expected dropFraction to be'],
    [{ rule: 'random', dropFraction: NaN }, 'Expected dropFraction to be'],
    [{ rule: 'random', seed: -1 }, 'Expected seed to be'],
    [{ rule: 'random', stream: 0.5 }, 'Expected stream to be'],
    [null, 'Expected options to be'],
  ])('%j', (update, message) => {
    expect(() => mlp.updateMasks(update as never)).toThrow(message);
    expect(readAll(mlp)).toEqual(before);
  });

  test('gradients of some layers or members alone', () => {
    const two = open().mlp({ ...each, members: 2 });
    const sparse = places(two).filter(({ layer }) => each.patterns[layer] !== null);
    for (const { layer, member, length } of sparse) {
      expect(() => two.updateMasks({ rule: 'gradient' })).toThrow('Call backward with gradients');
      two.write(layer, 'dormantGradient', randomFloats(length, 3), member);
    }
    expect(two.updateMasks({ rule: 'gradient' })).toBeGreaterThan(0);
  });

  test('targets do not swap', () => {
    const target = open().mlp({ ...each, role: 'target' });
    for (const rule of ['gradient', 'random'] as const) {
      expect(() => target.updateMasks({ rule })).toThrow(
        /^A target network takes no mask updates by gradient or at random: it is projected/,
      );
    }
    const gradient = new Float32Array(19 * 45);
    expect(() => target.write(0, 'dormantGradient', gradient)).toThrow(/no gradients/);
    expect(() => target.read(0, 'dormantGradient')).toThrow(/no gradients/);
    target.scaleDormant(0.5);
  });

  test.each([-0.5, 1.5, NaN, '0.5', undefined])('a factor of %p', (factor) => {
    expect(() => mlp.scaleDormant(factor as never)).toThrow('Expected factor to be');
    expect(readAll(mlp)).toEqual(before);
  });

  test('an inference network has no dormant weights', () => {
    const light = open().mlp({ ...each, role: 'inference' });
    expect(() => light.scaleDormant(0.5)).toThrow(/inference network takes no factor/);
    expect(() => light.updateMasks({ rule: 'random' })).toThrow(/inference network takes no mask/);
  });

  test.each([
    [{ densityPower: NaN }, 'densityPower'],
    [{ densityPower: '1' }, 'densityPower'],
    [{ initialScale: 'large' }, 'initialScale to be one of "dense", "variance"'],
    [{ newMoment: 'mean' }, 'newMoment to be one of "zero", "row-mean"'],
  ])('a network with %j', (more, message) => {
    expect(() => open().mlp({ ...each, ...(more as object) })).toThrow(`Expected ${message}`);
  });

  (testDevice === 'cpu' ? test.skip : test)('within a graph', () => {
    const device = open();
    const recorded = device.mlp(each);
    for (const call of [
      () => recorded.updateMasks({ rule: 'random' }),
      () => recorded.idleUnits(),
    ]) {
      const graph = device.capture(() => void call());
      graph.run();
      expect(() => graph.run()).toThrow('A graph cannot record');
    }
  });
});
