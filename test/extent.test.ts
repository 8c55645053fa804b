import { expect, test } from '@jest/globals';
import { extentOf } from '../lib/extent.js';

test('the least and the greatest of values, of more than a call takes as arguments too', () => {
  expect(extentOf([3, -1, 2])).toEqual({ min: -1, max: 3 });
  expect(extentOf(new Float64Array(1_000_000).map((_, i) => i - 7))).toEqual({
    min: -7,
    max: 999_992,
  });
});

test('NaN is not passed over, and nothing has no extent', () => {
  expect(extentOf([1, NaN, 2])).toEqual({ min: NaN, max: NaN });
  expect(extentOf([])).toEqual({ min: Infinity, max: -Infinity });
});
