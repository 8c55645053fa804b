import { describe, expect, test } from '@jest/globals';
import { median, pairedRatio, quantile, summarize } from '../../lib/bench/statistics.js';
import { Random } from '../../lib/random.js';

describe('quantile', () => {
  test('is linear between neighbours, whatever the order', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([40, 10, 20, 30, 50], 0.1)).toBeCloseTo(14, 12);
    expect(quantile([40, 10, 20, 30, 50], 0)).toBe(10);
    expect(quantile([40, 10, 20, 30, 50], 1)).toBe(50);
    expect(median([7])).toBe(7);
  });

  test('of nothing is an error', () => {
    expect(() => median([])).toThrow('Expected values to be at least one number');
  });
});

test('summarize gives median, p10 and p90', () => {
  const values = Array.from({ length: 101 }, (_, i) => 100 - i);
  expect(summarize(values)).toEqual({ median: 50, p10: 10, p90: 90, count: 101 });
});

describe('pairedRatio', () => {
  test('cancels what slows down both of a pair', () => {
    const slowdowns = [1, 5, 2, 9, 1, 3];
    const ratio = pairedRatio(
      slowdowns.map((s) => 3 * s),
      slowdowns,
    );
    expect(ratio).toEqual({ ratio: 3, low: 3, high: 3 });
  });

  test('its interval covers the true ratio and narrows with more pairs', () => {
    const random = new Random(1);
    const draw = (count: number, mean: number) =>
      Array.from({ length: count }, () => mean * Math.exp(0.1 * random.normal()));
    const [few, many] = [20, 500].map((count) => pairedRatio(draw(count, 2), draw(count, 1)));
    for (const { low, high } of [few!, many!]) {
      expect(low).toBeLessThan(2);
      expect(high).toBeGreaterThan(2);
    }
    expect(many!.high - many!.low).toBeLessThan(0.5 * (few!.high - few!.low));
  });

  test('needs as many of the one as of the other', () => {
    expect(() => pairedRatio([1, 2], [1])).toThrow('Expected b to be as long as a (2)');
  });
});
