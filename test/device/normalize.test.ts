/** Shifting and scaling the columns of a batch in place. */
import { describe, expect, test } from '@jest/globals';
import type { BatchMatrix, Device } from '../../lib/device/index.js';
import { randomFloats } from './reference.js';
import { batches, openDevices, testDevice, variants } from './support.js';

const open = openDevices();

function matrixOf(device: Device, rows: number, columns: number, values: Float32Array) {
  const matrix = device.matrix(rows, columns);
  matrix.set(values);
  return matrix;
}

/** Means and scales of so many columns, [2, columns]. */
function drawStatistics(columns: number, seed: number): Float32Array {
  const means = randomFloats(columns, seed, 30);
  return Float32Array.of(...means, ...randomFloats(columns, seed + 1).map((x) => 3 + 2 * x));
}

/** The definition, in float32. */
function normalized(values: Float32Array, statistics: Float32Array): Float32Array {
  const columns = statistics.length / 2;
  return values.map((x, i) => {
    const [mean, scale] = [statistics[i % columns]!, statistics[columns + (i % columns)]!];
    return Math.fround(Math.fround(x - mean) * scale);
  });
}

const cases = variants.flatMap(([name, options]) =>
  batches.flatMap((rows) => [1, 5, 37].map((columns) => ({ name, options, rows, columns }))),
);

describe.each(cases)('$name, [$rows, $columns]', ({ options, rows, columns }) => {
  const device = open({ ...options, threads: 2 });
  const statistics = drawStatistics(columns, 5);
  const values = randomFloats(rows * columns, 7, 40);

  test('a matrix is normalised, bit for bit', () => {
    const matrix = matrixOf(device, rows, columns, values);
    device.normalize(matrix, matrixOf(device, 2, columns, statistics));
    expect(matrix.get()).toEqual(normalized(values, statistics));
  });

  test('of a view, by a view, and nothing beside it', () => {
    const matrix = device.matrix(rows, columns + 3);
    const wide = device.matrix(2, columns + 2);
    for (const each of [matrix, wide]) device.fill(each, 7);
    const [view, by] = [matrix.view(2, columns), wide.view(1, columns)];
    matrix.set(values, view);
    wide.set(statistics, by);
    device.normalize(view, by);
    expect(matrix.get(view)).toEqual(normalized(values, statistics));
    for (const rest of [matrix.view(0, 2), matrix.view(columns + 2, 1)]) {
      expect(new Set(matrix.get(rest))).toEqual(new Set([7]));
    }
    expect(wide.get(by)).toEqual(statistics);
  });

  test('NaN and infinity pass through, at their places alone', () => {
    const odd = values.slice();
    const last = odd.length - 1;
    odd[0] = Infinity;
    odd[last] = NaN;
    const matrix = matrixOf(device, rows, columns, odd);
    device.normalize(matrix, matrixOf(device, 2, columns, statistics));
    const result = matrix.get();
    expect(result[last]).toBeNaN();
    if (last > 0) expect(result[0]).toBe(Infinity);
    expect(result.filter(Number.isFinite).length).toBe(Math.max(0, last - 1));
  });

  test('NaN statistics show in their columns', () => {
    for (const row of [0, 1]) {
      const unknown = statistics.slice();
      unknown[row * columns] = NaN;
      const matrix = matrixOf(device, rows, columns, values);
      device.normalize(matrix, matrixOf(device, 2, columns, unknown));
      const places = [...matrix.get()].map((x, i) => [Number.isNaN(x), i % columns === 0]);
      expect(places.every(([isNaN, isFirst]) => isNaN === isFirst)).toBe(true);
    }
  });
});

describe.each(variants)('%s', (_, options) => {
  const device = open({ ...options, threads: 2 });

  test('what lies beside the rows of a batch stays out of the gradients', () => {
    // In place again and again, as explicit batches are: only their rows are written anew.
    const [rows, columns] = [5, 3];
    const mlp = device.mlp({ sizes: [columns, 4, 1], seed: 1 });
    const [x, y] = [device.matrix(rows, columns), device.matrix(rows, 1)];
    const statistics = matrixOf(device, 2, columns, Float32Array.of(1, -1, 2, 10, 10, 10));
    const values = randomFloats(rows * columns, 3);
    const gradient = () => {
      mlp.forward(x, y, { keep: true });
      mlp.backward(matrixOf(device, rows, 1, new Float32Array(rows).fill(1)));
      return mlp.read(0, 'weightGradient');
    };
    let first: Float32Array | undefined;
    for (let repeat = 0; repeat < 60; repeat++) {
      x.set(values);
      device.normalize(x, statistics);
      first ??= gradient();
    }
    expect(first!.some((value) => value !== 0)).toBe(true);
    expect(gradient()).toEqual(first);
  });

  test('a graph reads the statistics that are there when it is launched', () => {
    const [rows, columns] = [33, 6];
    const values = randomFloats(rows * columns, 4);
    const source = matrixOf(device, rows, columns, values);
    const statistics = device.matrix(2, columns);
    const graph = device.capture(() => device.normalize(source, statistics));
    for (let launch = 0; launch < 4; launch++) {
      const table = drawStatistics(columns, 10 + launch);
      source.set(values);
      statistics.set(table);
      graph.run();
      expect(source.get()).toEqual(normalized(values, table));
    }
  });
});

test('the number of threads makes no difference', () => {
  const [rows, columns] = [1000, 23];
  const values = randomFloats(rows * columns, 9);
  const results = [1, 2, 5].map((threads) => {
    const device = open({ threads });
    const matrix = matrixOf(device, rows, columns, values);
    device.normalize(matrix, matrixOf(device, 2, columns, drawStatistics(columns, 3)));
    return matrix.get();
  });
  for (const result of results) expect(result).toEqual(results[0]);
});

test('what does not fit is refused', () => {
  const device = open();
  const matrix = device.matrix(4, 3);
  const foreign = open().matrix(2, 3);
  const of = (rows: number, columns: number) => device.matrix(rows, columns);
  for (const [values, statistics, message] of [
    [matrix, of(2, 4), /statistics to have shape \[2, 3\] but received \[2, 4\]/],
    [matrix, of(3, 3), /statistics to have shape \[2, 3\] but received \[3, 3\]/],
    [matrix.view(1, 2), of(2, 3), /statistics to have shape \[2, 2\]/],
    [matrix, undefined as never, /statistics to be a batch matrix but received undefined/],
    [undefined as never, of(2, 3), /values to be a batch matrix but received undefined/],
    [matrix, foreign, /statistics to be on the same device/],
    [{ matrix, first: 2, columns: 2 }, of(2, 2), /values to be within its matrix of 3 columns/],
  ] as [BatchMatrix, BatchMatrix, RegExp][]) {
    expect(() => device.normalize(values, statistics)).toThrow(message);
  }
  expect(new Set(matrix.get())).toEqual(new Set([0]));
  expect(device.info.name).toBe(testDevice);
});
