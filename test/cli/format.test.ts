import { expect, test } from '@jest/globals';
import { formatDuration, formatNumber } from '../../lib/cli/format.js';

test.each<[number | null | undefined, number, string]>([
  [1234567.8, 0, '1,234,568'],
  [-1234.56, 1, '-1,234.6'],
  [0, 2, '0.00'],
  [NaN, 0, '-'],
  [Infinity, 0, '-'],
  [null, 1, '-'],
  [undefined, 1, '-'],
])('%p with %d decimals is %s', (value, digits, text) => {
  expect(formatNumber(value, digits)).toBe(text);
});

test.each<[number, string]>([
  [0, '0s'],
  [-3, '0s'],
  [59.4, '59s'],
  [59.6, '1m 0s'],
  [125, '2m 5s'],
  [3725, '1h 2m'],
  [90_000, '25h 0m'],
  [NaN, '-'],
  [Infinity, '-'],
])('%d seconds are %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});
