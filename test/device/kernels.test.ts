import { afterAll, describe, expect, test } from '@jest/globals';
import { Device } from '../../lib/device/index.js';
import { randomFloats } from './reference.js';
import { testDevice } from './support.js';

const device = new Device({ device: testDevice, threads: 2 });
afterAll(() => device.close());

const [inputs, outputs, batch] = [13, 9, 37];

/** The entries of a [rows, columns] product whose terms are term(row, column, k), k < depth. */
function product(
  [rows, columns, depth]: [number, number, number],
  term: (row: number, column: number, k: number) => number,
): number[] {
  return Array.from({ length: rows * columns }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < depth; k++) sum += term(Math.floor(i / columns), i % columns, k);
    return sum;
  });
}

function expectClose(actual: Float32Array, expected: number[]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4));
}

describe.each([
  ['dense', null, 'masked'],
  ['2:4', { n: 2, m: 4 }, 'masked'],
  ['2:4, straight-through', { n: 2, m: 4 }, 'ste'],
] as const)('device.kernels.linear, %s', (_, pattern, gradientRule) => {
  const linear = device.kernels.linear({ inputs, outputs, pattern, gradientRule, seed: 3 });
  const [xs, dys] = [randomFloats(batch * inputs, 1, 1), randomFloats(batch * outputs, 2, 1)];
  const [x, dx] = [device.matrix(batch, inputs), device.matrix(batch, inputs)];
  const [y, dy] = [device.matrix(batch, outputs), device.matrix(batch, outputs)];
  x.set(xs);
  dy.set(dys);
  const weights = linear.mlp.read(0, 'maskedWeight');
  const mask = linear.mlp.read(0, 'mask');

  test('forward', () => {
    linear.forward(x, y, { keep: true });
    const bias = linear.mlp.read(0, 'bias');
    const sums = product([batch, outputs, inputs], (b, o, i) => {
      return xs[b * inputs + i]! * weights[o * inputs + i]!;
    });
    expectClose(
      y.get(),
      sums.map((sum, at) => sum + bias[at % outputs]!),
    );
  });

  test('data gradient', () => {
    linear.dataGradient(dy, dx);
    const expected = product([batch, inputs, outputs], (b, i, o) => {
      return dys[b * outputs + o]! * weights[o * inputs + i]!;
    });
    expectClose(dx.get(), expected);
  });

  test('weight gradient', () => {
    linear.weightGradient(dy);
    const dense = product([outputs, inputs, batch], (o, i, b) => {
      return dys[b * outputs + o]! * xs[b * inputs + i]!;
    });
    const expected = gradientRule === 'ste' ? dense : dense.map((value, at) => value * mask[at]!);
    expectClose(linear.mlp.read(0, 'weightGradient'), expected);
  });
});

test('device.kernels.project compresses', () => {
  const weights = Float32Array.of(0.25, -0.5, 0, 0.125, 0.75, 0, -0.25, 0.5);
  const matrix = device.kernels.project(weights, { outputs: 1, inputs: 8 }, { n: 1, m: 4 });
  expect([...matrix.values]).toEqual([-0.5, 0.75]);
  expect([...matrix.columns]).toEqual([1, 4]);
});
