/** Transposable masks against every 0/1 matrix there is, alone and in networks that learn. */
import { describe, expect, test } from '@jest/globals';
import { Device, loadAddon, NmMatrix } from '../../lib/device/index.js';
import type { GradientRule, MaskShape, Mlp, MlpOptions } from '../../lib/device/index.js';
import { backward, deviation, randomFloats, randomSource } from './reference.js';
import { transposableMask, transposableTiles } from './reference.js';
import { maskOf, testDevice, variants } from './support.js';

const maskShape = 'transposable';

function project(weights: Float32Array, outputs: number, inputs: number, n: number) {
  return new NmMatrix(weights, { outputs, inputs }, { n, m: 4 }, { maskShape });
}

/** Groups of a row or a column that are not N:4: of rows, and of the columns of all whole tiles. */
function misfits(mask: ArrayLike<number>, inputs: number, n: number): string[] {
  const outputs = mask.length / inputs;
  const found: string[] = [];
  const count = (size: number, place: (k: number) => number) => {
    let active = 0;
    for (let k = 0; k < size; k++) active += mask[place(k)]!;
    return active;
  };
  for (let row = 0; row < outputs; row++) {
    for (let left = 0; left < inputs; left += 4) {
      const size = Math.min(4, inputs - left);
      const active = count(size, (k) => row * inputs + left + k);
      if (active !== Math.min(n, size)) found.push(`row ${row}, column ${left}: ${active}`);
    }
  }
  for (let column = 0; column < inputs - (inputs % 4); column++) {
    for (let top = 0; top < outputs; top += 4) {
      const size = Math.min(4, outputs - top);
      const active = count(size, (k) => (top + k) * inputs + column);
      const fits = size === 4 ? active === n : active <= n;
      if (!fits) found.push(`column ${column}, row ${top}: ${active}`);
    }
  }
  return found;
}

const sizes = [
  [4, 4],
  [1, 4],
  [2, 8],
  [3, 8],
  [3, 7],
  [4, 1],
  [5, 3],
  [6, 6],
  [7, 9],
  [13, 18],
  [32, 40],
] as const;

describe('projection', () => {
  test('the masks to choose from are 90 at 2:4, and 24 at 1:4 and 3:4', () => {
    expect([1, 2, 3, 4].map((n) => transposableTiles(4, n).length)).toEqual([24, 90, 24, 1]);
  });

  test.each([1, 2, 3, 4])('%i:4 is of largest total magnitude', (n) => {
    for (const [outputs, inputs] of sizes) {
      for (let seed = 0; seed < 10; seed++) {
        const fine = randomFloats(outputs * inputs, 1000 * n + seed);
        // Few levels make ties common.
        for (const weights of [fine, fine.map((w) => Math.round(3 * w) / 4)]) {
          const matrix = project(weights, outputs, inputs, n);
          expect(maskOf(matrix)).toEqual(transposableMask(weights, inputs, n));
          expect(matrix.stored()).toEqual(weights);
          expect(misfits(maskOf(matrix), inputs, n)).toEqual([]);
        }
      }
    }
  });

  test('more magnitude may be kept than by choosing row after row', () => {
    // The first two rows would take columns 0 and 1 for themselves: 34 in all.
    const weights = Float32Array.from([9, 8, 7, 0, 9, 8, 7, 0, 9, 1, 0, 0, 9, 1, 0, 0]);
    const kept = project(weights, 4, 4, 2).values.reduce((sum, w) => sum + w, 0);
    expect(kept).toBe(8 + 7 + (8 + 7) + 9 + 9);
  });

  test('ties go to the first place in reading order', () => {
    for (const value of [0, -0.5]) {
      const weights = new Float32Array(16).fill(value);
      const masks = [1, 2, 3].map((n) => maskOf(project(weights, 4, 4, n)).join(''));
      expect(masks).toEqual(['1000010000100001', '1100110000110011', '1110110110110111']);
    }
    // In a tile of no more than N rows they go to the lower column, as in masks of shape row.
    expect([...project(new Float32Array(8), 2, 4, 2).columns]).toEqual([0, 1, 0, 1]);
  });

  test('NaN and infinities come first, then what is left', () => {
    const random = randomSource(5);
    const special = [NaN, Infinity, -Infinity];
    for (let round = 0; round < 300; round++) {
      const share = random();
      const weights = randomFloats(7 * 10, round).map((w) =>
        random() < share ? special[Math.floor(3 * random())]! : w,
      );
      for (const n of [1, 2, 3]) {
        const mask = maskOf(project(weights, 7, 10, n));
        expect(mask).toEqual(transposableMask(weights, 10, n));
      }
    }
  });

  test('neither the largest nor the least float32 are mistaken for something else', () => {
    const [largest, least] = [3.4028234663852886e38, 2 ** -149];
    const huge = new Float32Array(16).fill(largest);
    const best = '0011001111001100';
    for (let i = 0; i < 16; i++) if (best[i] === '0') huge[i] = largest / 2;
    expect(maskOf(project(huge, 4, 4, 2)).join('')).toBe(best);
    const tiny = Float32Array.from(best, (entry) => (entry === '1' ? -least : 0));
    expect(maskOf(project(tiny, 4, 4, 2)).join('')).toBe(best);
  });

  test('updateMask projects what is stored, and counts what changed', () => {
    const matrix = project(randomFloats(11 * 22, 1), 11, 22, 2);
    const before = maskOf(matrix);
    const weights = randomFloats(11 * 22, 2);
    matrix.assign(weights);
    expect(maskOf(matrix)).toEqual(before);
    const changed = matrix.updateMask();
    const after = maskOf(matrix);
    expect(after).toEqual(transposableMask(weights, 22, 2));
    expect(changed).toBe(after.filter((entry, i) => entry !== before[i]).length);
    expect(changed).toBeGreaterThan(20);
    expect(matrix.updateMask()).toBe(0);
  });
});

const rules: GradientRule[] = ['masked', 'ste', 'sr-ste'];

/** Short tiles at the right and at the bottom. */
const odd = { sizes: [18, 23, 42, 3], patterns: Array(3).fill({ n: 2, m: 4 }) };

function learnOnce(device: Device, mlp: Mlp, seed: number): void {
  const [inputs, outputs] = [mlp.sizes[0]!, mlp.sizes.at(-1)!];
  const [input, gradient] = [device.matrix(20, inputs), device.matrix(20, mlp.members * outputs)];
  input.set(randomFloats(20 * inputs, seed));
  gradient.set(randomFloats(20 * mlp.members * outputs, seed + 1));
  mlp.forward(input, device.matrix(20, mlp.members * outputs), { keep: true });
  mlp.backward(gradient);
  mlp.adam({ learningRate: 0.02, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 });
}

/** Every layer's mask is the projection of its weights. */
function expectProjected(mlp: Mlp, n: number): void {
  for (let member = 0; member < mlp.members; member++) {
    for (let layer = 0; layer < mlp.layers; layer++) {
      const mask = mlp.read(layer, 'mask', member);
      const inputs = mlp.sizes[layer]!;
      const expected = transposableMask(mlp.read(layer, 'weight', member), inputs, n);
      expect(mask).toEqual(Float32Array.from(expected));
      expect(misfits(mask, inputs, n)).toEqual([]);
    }
  }
}

/** The gradient of the input, which the transposed index gives, against the plain reference. */
function expectDataGradient(device: Device, mlp: Mlp): void {
  const layers = Array.from({ length: mlp.layers }, (_, l) => ({
    inputs: mlp.sizes[l]!,
    outputs: mlp.sizes[l + 1]!,
    weight: Float64Array.from(mlp.read(l, 'weight')),
    bias: Float64Array.from(mlp.read(l, 'bias')),
    mask: Uint8Array.from(mlp.read(l, 'mask')),
  }));
  const [inputs, outputs] = [mlp.sizes[0]!, mlp.sizes.at(-1)!];
  const [x, dy] = [randomFloats(9 * inputs, 1), randomFloats(9 * outputs, 2)];
  const [input, gradient] = [device.matrix(9, inputs), device.matrix(9, outputs)];
  input.set(x);
  gradient.set(dy);
  const inputGradient = device.matrix(9, inputs);
  device.fill(inputGradient, NaN);
  mlp.forward(input, device.matrix(9, outputs), { keep: true });
  mlp.backward(gradient, { inputGradient });
  const expected = backward({ layers }, x, dy, true).input;
  expect(deviation(inputGradient.get(), expected)).toBeLessThan(2e-5);
}

describe.each(variants)('networks on %s', (_, variant) => {
  const device = new Device({ ...variant, threads: 2 });

  test.each([1, 2, 3, 4])('what is hard to choose is chosen by networks too, %i:4', (n) => {
    const random = randomSource(n);
    const special = [NaN, Infinity, -Infinity, 0, -0];
    const extreme = [3.4028234663852886e38, -1e30, 2 ** -149, NaN, 1e-20];
    for (const [outputs, inputs] of [...sizes, [64, 64]] as const) {
      const mlp = device.mlp({ sizes: [inputs, outputs], patterns: [{ n, m: 4 }], maskShape });
      const share = random() / 2;
      const fine = randomFloats(outputs * inputs, 100 * outputs + n);
      const coarse = fine.map((w) => Math.round(3 * w) / 4);
      const mixed = (values: number[]) =>
        coarse.map((w) => (random() < share ? values[Math.floor(5 * random())]! : w));
      // Sums of extremes depend on their order, which the plain reference does not share.
      const vast = mixed(extreme);
      for (const weights of [fine, coarse, mixed(special), vast]) {
        mlp.write(0, 'weight', weights);
        const before = mlp.read(0, 'mask');
        const changed = mlp.updateMasks();
        const mask = mlp.read(0, 'mask');
        const plain = weights === vast ? mask : transposableMask(weights, inputs, n);
        expect(mask).toEqual(Float32Array.from(plain));
        expect(mask).toEqual(Float32Array.from(maskOf(project(weights, outputs, inputs, n))));
        expect(changed).toBe(mask.filter((entry, i) => entry !== before[i]).length);
      }
    }
  });

  test.each(rules)(
    'W and its transpose are N:4 from the start, and as %s learns',
    (gradientRule) => {
      for (const n of [1, 2, 3]) {
        const patterns = odd.patterns.map(() => ({ n, m: 4 }));
        const mlp = device.mlp({
          ...odd,
          patterns,
          gradientRule,
          maskShape,
          srLambda: 0.1,
          seed: n,
        });
        expectProjected(mlp, n);
        for (let step = 0; step < 4; step++) {
          const before = mlp.read(1, 'mask');
          learnOnce(device, mlp, 10 * step);
          expect(mlp.read(1, 'mask')).toEqual(before);
          expect(mlp.updateMasks()).toBeGreaterThan(0);
          expectProjected(mlp, n);
        }
        expectDataGradient(device, mlp);
      }
    },
  );
});

describe('networks', () => {
  const device = new Device({ device: testDevice, threads: 2 });
  const options: MlpOptions = { ...odd, maskShape, seed: 3 };
  const masksOf = (mlp: Mlp) => odd.patterns.map((_, layer) => mlp.read(layer, 'mask'));

  test('the same weights are drawn for both shapes, and of row nothing changes', () => {
    const [one, other] = [device.mlp(options), device.mlp({ ...options, maskShape: 'row' })];
    odd.patterns.forEach((_, layer) => {
      expect(one.read(layer, 'weight')).toEqual(other.read(layer, 'weight'));
    });
    expect(masksOf(device.mlp({ ...odd, seed: 3 }))).toEqual(masksOf(other));
    expect(masksOf(one)).not.toEqual(masksOf(other));
  });

  test.each(rules)('bit for bit the same with 1, 2 and 3 threads, %s', (gradientRule) => {
    // More rows than one thread takes at a time.
    const sizes = [18, 300, 130, 3];
    const run = (threads: number) => {
      const own = new Device({ device: testDevice, threads });
      const mlp = own.mlp({ ...options, sizes, members: 2, gradientRule });
      for (let step = 0; step < 3; step++) {
        learnOnce(own, mlp, step);
        mlp.updateMasks();
      }
      return odd.patterns.flatMap((_, l) => [mlp.read(l, 'weight', 1), mlp.read(l, 'mask', 1)]);
    };
    const once = run(1);
    expect(run(2)).toEqual(once);
    expect(run(3)).toEqual(once);
  });

  test('newly active weights start with zero moments, others keep theirs', () => {
    const mlp = device.mlp(options);
    const before = mlp.read(1, 'mask');
    const moment = randomFloats(before.length, 3);
    mlp.write(1, 'weightMoment1', moment);
    mlp.write(1, 'weight', randomFloats(before.length, 4));
    mlp.updateMasks();
    const after = mlp.read(1, 'mask');
    const expected = moment.map((m, i) => (before[i] === 1 && after[i] === 1 ? m : 0));
    expect(mlp.read(1, 'weightMoment1')).toEqual(expected);
  });

  test('targets project, follow and copy; inference networks copy', () => {
    const online = device.mlp(options);
    learnOnce(device, online, 5);
    online.updateMasks();
    const target = device.mlp({ ...options, seed: 4, role: 'target' });
    expect(target.followMasks(online)).toBeGreaterThan(0);
    expect(masksOf(target)).toEqual(masksOf(online));
    target.polyak(online, 0.5);
    target.updateMasks();
    expectProjected(target, 2);
    for (const role of ['target', 'inference'] as const) {
      const copy = device.mlp({ ...options, role });
      copy.copyFrom(online);
      expect(masksOf(copy)).toEqual(masksOf(online));
    }
  });

  test('masks of shape row are refused, and change nothing', () => {
    const mlp = device.mlp(options);
    const before = masksOf(mlp);
    const rowWise = device.mlp({ ...options, maskShape: 'row' });
    const message = 'Expected source to have transposable masks, as this network has';
    expect(() => mlp.followMasks(rowWise)).toThrow(message);
    expect(() => mlp.copyFrom(rowWise)).toThrow(message);
    expect(() => mlp.write(1, 'mask', rowWise.read(1, 'mask'))).toThrow(
      /^Expected a transposable mask to have at most 2 active entries in column \d+, rows \d+ to \d+ but received [34]$/,
    );
    expect(masksOf(mlp)).toEqual(before);
    // What is N:M both ways is so along the rows.
    rowWise.copyFrom(mlp);
    expect(masksOf(rowWise)).toEqual(before);
    rowWise.updateMasks();
    expect(rowWise.followMasks(mlp)).toBeGreaterThan(0);
  });

  test('masks that fit are taken, though others are larger', () => {
    const mlp = device.mlp({ sizes: [6, 7], patterns: [{ n: 2, m: 4 }], maskShape });
    const rows = ['110011', '101011', '010111', '001111', '001111', '110011', '110011'];
    const mask = Float32Array.from(rows.join(''), Number);
    mlp.write(0, 'mask', mask);
    expect(mlp.read(0, 'mask')).toEqual(mask);
    // Row 4: a third one in column 0.
    const third = mask.slice();
    third.set([1, 0, 0, 1], 4 * 6);
    expect(() => mlp.write(0, 'mask', third)).toThrow(
      'at most 2 active entries in column 0, rows 4 to 6 but received 3',
    );
    expect(mlp.read(0, 'mask')).toEqual(mask);
  });
});

describe('what cannot be is refused', () => {
  const device = new Device({ threads: 1 });
  const pattern = { n: 1, m: 8 };
  const name = 'under maskShape "transposable" but received "1:8"';
  const shape = (value: unknown) => ({ maskShape: value as MaskShape });

  test('other patterns than N:4; dense layers have no mask', () => {
    const patterns = [null, pattern];
    expect(() => device.mlp({ sizes: [8, 8, 8], patterns, maskShape })).toThrow(
      `Expected patterns[1] to be N:4 ${name}. Transposable masks have M = 4: take 1:4`,
    );
    expect(() => device.kernels.linear({ inputs: 8, outputs: 8, pattern, maskShape })).toThrow(
      name,
    );
    const weights = new Float32Array(64);
    const size = { outputs: 8, inputs: 8 };
    expect(() => device.kernels.project(weights, size, pattern, { maskShape })).toThrow(
      `Expected pattern to be N:4 ${name}`,
    );
    expect(device.mlp({ sizes: [8, 8], maskShape }).density()).toBe(1);
    expect(device.kernels.project(weights, size, { n: 1, m: 4 }, { maskShape }).values.length).toBe(
      16,
    );
  });

  test.each(['column', '', null, 3])('the shape %p', (value) => {
    const expected = /Expected maskShape to be one of "row", "transposable" but received/;
    expect(() => device.mlp({ sizes: [4, 4], ...shape(value) })).toThrow(expected);
    const make = () =>
      new NmMatrix(new Float32Array(4), { outputs: 1, inputs: 4 }, { n: 1, m: 4 }, shape(value));
    expect(make).toThrow(expected);
  });

  test('by the native side as well', () => {
    const { NmMatrix: Native } = loadAddon().addon;
    const weights = new Float32Array(64);
    expect(() => new Native(weights, 8, 8, 1, 8, 'transposable')).toThrow(
      'Expected transposable masks to have M = 4 but received the pattern 1:8',
    );
    expect(() => new Native(weights, 8, 8, 1, 4, 'x')).toThrow(/row or transposable/);
  });
});
