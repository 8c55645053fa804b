/** Running mean and variance, beside plain computations and numpy's. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { ObservationStatistics } from '../../lib/td3/observation-statistics.js';
import type { PolicyLayer } from '../../lib/train/index.js';
import { deviation, randomFloats, randomSource } from '../device/reference.js';

function observing(size: number, observations: Iterable<ArrayLike<number>>): ObservationStatistics {
  const statistics = new ObservationStatistics(size);
  for (const observation of observations) statistics.add(observation);
  return statistics;
}

describe("numpy's statistics of recorded transitions", () => {
  interface Expected {
    transitions: number;
    mean: number[];
    variance: number[];
    normalized: number[][];
  }
  const fixtures = join(import.meta.dirname, '..', 'fixtures');
  const { after } = JSON.parse(
    readFileSync(join(fixtures, 'observations', 'Reacher-v5.json'), 'utf8'),
  ) as { after: Expected[] };
  const episode = JSON.parse(
    gunzipSync(readFileSync(join(fixtures, 'envs', 'Reacher-v5.json.gz'))).toString(),
  ) as { reset: { observation: number[] }; observation: number[][] };
  const observations = [episode.reset.observation, ...episode.observation].slice(0, 200);

  test.each(after)('after $transitions', ({ transitions, mean, variance, normalized }) => {
    const statistics = observing(10, observations.slice(0, transitions));
    expect(statistics.count).toBe(transitions);
    expect(deviation(statistics.mean, mean)).toBeLessThan(1e-14);
    statistics.variance.forEach((value, i) => {
      expect(Math.abs(value - variance[i]!)).toBeLessThanOrEqual(1e-12 * variance[i]!);
    });
    const batch = observations.filter((_, i) => i % 29 === 0);
    expect(batch).toHaveLength(normalized.length);
    batch.forEach((observation, row) => {
      // Statistics and differences are rounded to float32; so few observations may vary by less than 1e-4.
      const tolerance = transitions < 7 ? 2e-3 : 2e-6;
      expect(deviation(statistics.normalized(observation), normalized[row]!)).toBeLessThan(
        tolerance,
      );
    });
  });
});

describe('statistics', () => {
  test('are those of all observations at once, also far from 0', () => {
    const [size, count] = [6, 5000];
    const centres = [0, 1e4, -3e5, 1e-3, 7, 1e6];
    const widths = [1, 0.5, 40, 1e-4, 1e-2, 1];
    const random = randomSource(4);
    const observations = Array.from({ length: count }, () =>
      Float32Array.from({ length: size }, (_, i) => centres[i]! + widths[i]! * random()),
    );
    const { mean, variance } = observing(size, observations);
    for (let i = 0; i < size; i++) {
      const column = observations.map((each) => each[i]!);
      const average = column.reduce((sum, x) => sum + (x - column[0]!), 0) / count;
      const expected = column[0]! + average;
      const square = column.reduce((sum, x) => sum + (x - expected) ** 2, 0) / count;
      expect(Math.abs(mean[i]! / expected - 1)).toBeLessThan(1e-13);
      expect(Math.abs(variance[i]! / square - 1)).toBeLessThan(1e-9);
    }
  });

  test('before any observation leave observations as they are', () => {
    const statistics = new ObservationStatistics(3);
    expect([...statistics.table]).toEqual([0, 0, 0, 1, 1, 1]);
    expect([...statistics.normalized([1, -2.5, 0.1])]).toEqual([1, -2.5, Math.fround(0.1)]);
    expect(statistics.count).toBe(0);
  });

  test('are of float32, as the replay buffer is', () => {
    const values = [0.1, 1 / 3, -1e-3];
    const doubles = observing(3, [values, values.map((x) => 1.7 * x)]);
    const singles = observing(
      3,
      [values, values.map((x) => 1.7 * x)].map((x) => Float32Array.from(x)),
    );
    expect(doubles.mean).toEqual(singles.mean);
    expect(doubles.variance).toEqual(singles.variance);
    expect([...observing(3, [values, values]).normalized(values)]).toEqual([0, 0, 0]);
  });

  test('only centre what has never varied, and bound what moves for the first time', () => {
    const statistics = observing(
      2,
      Array.from({ length: 10_000 }, () => [0.1, 5]),
    );
    expect([...statistics.variance]).toEqual([0, 0]);
    expect([...statistics.table.subarray(2)]).toEqual([1, 1]);
    expect(statistics.normalized([0.1, 8])[1]).toBe(3);
    // A tiny movement is not blown up to a deviation, and a large one to no more than sqrt(count).
    statistics.add([0.1 + 1e-6, 8]);
    const [tiny, large] = statistics.normalized([0.1 + 1e-6, 8]);
    expect(Math.abs(tiny!)).toBeLessThan(0.02);
    expect(large).toBeCloseTo(100, 1);
  });

  test('go on from where they were, bit for bit', () => {
    const observations = Array.from({ length: 60 }, (_, i) => randomFloats(4, i, 3));
    const whole = observing(4, observations);
    const half = observing(4, observations.slice(0, 23));
    const other = observing(4, [[9, 9, 9, 9]]);
    other.restore(half.count, half.mean, half.variance);
    for (const observation of observations.slice(23)) other.add(observation);
    expect([other.count, other.mean, other.variance]).toEqual([60, whole.mean, whole.variance]);
    expect(other.table).toEqual(whole.table);
  });

  test('have one table until they change', () => {
    const statistics = observing(2, [[1, 2]]);
    const { table } = statistics;
    expect(statistics.table).toBe(table);
    statistics.add([3, 5]);
    expect([...statistics.table]).toEqual([2, 3.5, 1, Math.fround(1 / 1.5)]);
    statistics.restore(1, [7, 8], [0, 0]);
    expect([...statistics.table]).toEqual([7, 8, 1, 1]);
    // What is read cannot be written through.
    statistics.mean.fill(100);
    statistics.variance.fill(100);
    expect([...statistics.mean, ...statistics.variance]).toEqual([7, 8, 0, 0]);
  });
});

test('layers that statistics are folded into take observations as they are', () => {
  const statistics = observing(
    3,
    Array.from({ length: 50 }, (_, i) => [i, 3 - i / 10, 4]),
  );
  const weight = Float32Array.of(0.5, 0, -1, 2, 0.25, 0);
  const first = { weight, bias: Float32Array.of(0.1, -3), inSize: 3, outSize: 2 };
  const second = { weight: Float32Array.of(1, 2), bias: Float32Array.of(0), inSize: 2, outSize: 1 };
  const [folded, same] = statistics.foldInto([first, second]);
  expect(same).toBe(second);
  expect(folded).toMatchObject({ inSize: 3, outSize: 2 });
  expect([...weight]).toEqual([0.5, 0, -1, 2, 0.25, 0]);
  expect([...folded!.weight].map((w) => w === 0)).toEqual([...weight].map((w) => w === 0));
  const sums = (layer: PolicyLayer, x: ArrayLike<number>) =>
    [0, 1].map((o) =>
      [0, 1, 2].reduce((sum, i) => sum + layer.weight[3 * o + i]! * x[i]!, layer.bias[o]!),
    );
  for (const x of [
    [0, 0, 0],
    [30, -2, 4],
    [-7, 11, 5],
  ]) {
    expect(deviation(sums(folded!, x), sums(first, statistics.normalized(x)))).toBeLessThan(1e-6);
  }
  expect(statistics.foldInto([])).toEqual([]);
});
