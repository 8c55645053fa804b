import { expect, test } from '@jest/globals';
import { InvalidValueError } from '../../lib/errors.js';
import { fromPlainData, toPlainData } from '../../lib/train/plain-data.js';

test('what a file cannot hold comes back, through JSON', () => {
  const value = {
    range: [0.5, Infinity],
    deep: { low: -Infinity, text: 'a', none: null, on: true },
  };
  const text = JSON.stringify(toPlainData('config', { ...value, left: undefined }));
  expect(text).toContain('"Infinity"');
  expect(fromPlainData(JSON.parse(text))).toEqual(value);
  expect(toPlainData('x', Float32Array.of(1, 2))).toEqual([1, 2]);
});

test.each<[unknown, RegExp]>([
  [{ a: [1, NaN] }, /config\.a\[1\] to be a number but received NaN/],
  [{ a: () => 1 }, /config to be plain data.*config\.a is function a/],
  [{ a: 1n }, /config\.a is 1, a BigInt/],
  [{ a: new Map() }, /config\.a is object Map/],
  [{ a: Symbol('s') }, /config\.a is Symbol\(s\)/],
])('%p is refused', (value, message) => {
  expect(() => toPlainData('config', value)).toThrow(InvalidValueError);
  expect(() => toPlainData('config', value)).toThrow(message);
});
