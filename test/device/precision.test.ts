/** What a GPU computes in fewer bits, and shapes that its kernels take in several pieces. */
import { afterAll, describe, expect, test } from '@jest/globals';
import { Device } from '../../lib/device/index.js';
import type { Mlp, MlpOptions, Precision } from '../../lib/device/index.js';
import { backward, deviation, forward, randomFloats } from './reference.js';
import { makePair, onCpu, testDevice } from './support.js';

const devices: Device[] = [];
function open(precision: Precision): Device {
  const device = new Device({ device: testDevice, precision, threads: 2 });
  devices.push(device);
  return device;
}
afterAll(() => devices.forEach((device) => device.close()));

/** Largest deviations of a pass forward and backward from the float64 reference. */
function deviations(device: Device, options: MlpOptions, rows: number, seed: number) {
  const { mlp, references } = makePair(device, options, seed);
  const [inputs, outputs] = [options.sizes[0]!, options.sizes.at(-1)!];
  const x = randomFloats(rows * inputs, seed + 1);
  const dy = randomFloats(rows * outputs, seed + 2, 1 / rows);
  const [input, output] = [device.matrix(rows, inputs), device.matrix(rows, outputs)];
  const [gradient, dx] = [device.matrix(rows, outputs), device.matrix(rows, inputs)];
  input.set(x);
  gradient.set(dy);
  for (const matrix of [output, dx]) device.fill(matrix, NaN);
  mlp.forward(input, output, { keep: true });
  mlp.backward(gradient, { inputGradient: dx });
  const net = references[0]!;
  const expected = backward(net, x, dy, true);
  const y = Array.from({ length: rows }, (_, b) => [
    ...forward(net, x.subarray(b * inputs, (b + 1) * inputs)).at(-1)!,
  ]).flat();
  const parts = net.layers.flatMap((_, l) => [
    deviation(mlp.read(l, 'weightGradient'), expected.weights[l]!),
    deviation(mlp.read(l, 'biasGradient'), expected.biases[l]!),
  ]);
  const scaled = (values: ArrayLike<number>) => Array.from(values, (value) => value * rows);
  return {
    output: deviation(output.get(), y),
    input: deviation(scaled(dx.get()), scaled(expected.input)),
    parameters: Math.max(...parts),
  };
}

const precisions = onCpu ? (['fp32'] as const) : (['fp32', 'tf32', 'bf16'] as const);
const parts = (['weight', 'bias'] as const).flatMap((part) => {
  return [part, `${part}Moment1`, `${part}Moment2`] as const;
});

const sparse: MlpOptions = {
  sizes: [19, 48, 40, 5],
  patterns: [{ n: 2, m: 4 }, { n: 1, m: 4 }, null],
  outputRange: { low: new Float32Array(5).fill(-2), high: new Float32Array(5).fill(3) },
};

const dense: MlpOptions = {
  sizes: [23, 48, 5],
  outputRange: { low: new Float32Array(5).fill(-2), high: new Float32Array(5).fill(3) },
};

(onCpu ? describe.skip : describe)('precision', () => {
  // Bits of mantissa: 23, 10 and 7. A sum's error is some roundings of terms of order one.
  test.each([
    ['fp32', 0, 2e-5],
    ['tf32', 1e-5, 6e-3],
    ['bf16', 2e-4, 5e-2],
  ] as const)('%s is as exact as it should be, and no more', (precision, least, most) => {
    for (const options of [sparse, dense]) {
      const worst = deviations(open(precision), options, 33, 3);
      for (const value of Object.values(worst)) expect(value).toBeLessThan(most);
      expect(worst.output).toBeGreaterThanOrEqual(least);
    }
  });

  test.each(['tf32', 'bf16'] as const)('%s: the weights themselves stay float32', (precision) => {
    const device = open(precision);
    const mlp = device.mlp(sparse);
    const weight = randomFloats(48 * 19, 9);
    mlp.write(0, 'weight', weight);
    expect(mlp.read(0, 'weight')).toEqual(weight);
    const [x, y] = [device.matrix(4, 19), device.matrix(4, 5)];
    x.set(randomFloats(4 * 19, 1));
    device.fill(y, 0.001);
    const before = mlp.read(1, 'weight');
    mlp.forward(x, device.matrix(4, 5), { keep: true });
    mlp.backward(y);
    mlp.adam({ learningRate: 1e-6, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 });
    // Steps of a millionth would be lost in fewer bits.
    const after = mlp.read(1, 'weight');
    const mask = mlp.read(1, 'mask');
    const moved = after.filter((w, i) => mask[i] === 1 && w !== before[i]).length;
    expect(moved).toBeGreaterThan(0.3 * mask.filter((m) => m === 1).length);
    expect(deviation(after, before)).toBeLessThan(1e-5);
  });
});

// Rows of weights are padded, and products may read the padding.
test.each(precisions)('%s: no NaN outlasts the state that is written over it', (precision) => {
  const device = open(precision);
  const [rows, inputs, outputs] = [12, 19, 2 * 3];
  const x = device.matrix(rows, inputs);
  x.set(randomFloats(rows * inputs, 41));
  const make = () => device.mlp({ sizes: [inputs, 24, 3], members: 2, seed: 5 });
  const step = (mlp: Mlp, gradient: Float32Array) => {
    const y = device.matrix(rows, outputs);
    mlp.forward(x, y, { keep: true });
    const output = y.get();
    y.set(gradient);
    mlp.backward(y);
    mlp.adam({ learningRate: 1e-3, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 });
    return output;
  };
  const places = [0, 1].flatMap((layer) => [0, 1].map((member) => ({ layer, member })));
  const stateOf = (mlp: Mlp) =>
    places.flatMap(({ layer, member }) => parts.map((part) => mlp.read(layer, part, member)));
  const [mlp, other] = [make(), make()];
  const gradients = [42, 43, 44].map((seed) => randomFloats(rows * outputs, seed));
  for (const each of [mlp, other]) step(each, gradients[0]!);
  const state = stateOf(mlp);
  const restore = (each: Mlp) => {
    for (const [i, { layer, member }] of places.entries()) {
      for (const [k, part] of parts.entries()) {
        each.write(layer, part, state[i * parts.length + k]!, member);
      }
    }
  };
  // Both take as many steps.
  step(mlp, gradients[1]!.with(2, Infinity).with(10, NaN));
  step(other, gradients[1]!);
  for (const member of [0, 1]) expect(mlp.largestWeight(member)).toBeNaN();
  for (const each of [mlp, other]) restore(each);
  for (const member of [0, 1]) {
    expect(mlp.largestWeight(member)).toBe(other.largestWeight(member));
  }
  expect(step(mlp, gradients[2]!)).toEqual(step(other, gradients[2]!));
  expect(stateOf(mlp)).toEqual(stateOf(other));
});

const rangeOf = (size: number) => ({
  low: new Float32Array(size).fill(-1),
  high: new Float32Array(size).fill(2),
});

describe('shapes in several pieces', () => {
  test.each<[string, MlpOptions, number]>([
    ['more outputs than a block of columns', { sizes: [6, 40, 75] }, 10],
    ['more rows than a chunk', { sizes: [6, 40, 2] }, 700],
    ['both', { sizes: [5, 34, 33] }, 300],
    ['the same, squashed', { sizes: [5, 34, 33], outputRange: rangeOf(33) }, 300],
    ['blocks in plenty', { sizes: [2, 3, 700], outputRange: rangeOf(700) }, 600],
  ])('%s', (_, options, rows) => {
    const worst = deviations(open('fp32'), options, rows, 20);
    for (const value of Object.values(worst)) expect(value).toBeLessThan(2e-5);
  });

  test('members one by one leave the gradients of the others alone', () => {
    const device = open('fp32');
    const { mlp, references } = makePair(device, { sizes: [5, 9, 2], members: 3 }, 30);
    const [x, dy] = [randomFloats(8 * 5, 31), randomFloats(8 * 2, 32)];
    const [input, gradient] = [device.matrix(8, 5), device.matrix(8, 2)];
    input.set(x);
    gradient.set(dy);
    for (const first of [2, 0]) {
      const members = { first, count: 1 };
      mlp.forward(input, device.matrix(8, 2), { keep: true, members });
      mlp.backward(gradient, { members });
    }
    for (const member of [0, 2]) {
      const expected = backward(references[member]!, x, dy, true);
      expect(deviation(mlp.read(0, 'weightGradient', member), expected.weights[0]!)).toBeLessThan(
        2e-5,
      );
    }
    expect(new Set(mlp.read(0, 'weightGradient', 1))).toEqual(new Set([0]));
  });
});
