import { describe, expect, test } from '@jest/globals';
import { checkJson, readNumbers, stringifyJson } from '../lib/json.js';

describe('JSON that keeps its numbers', () => {
  test.each<[unknown]>([
    [{ a: [Infinity, -Infinity], b: { c: -0, d: 1e-300, e: null, f: 'Infinity -0' } }],
    [-Infinity],
    [['"', '', '0', 0, 12, true, null]],
  ])('%j comes back as it was', (value) => {
    expect(readNumbers(JSON.parse(stringifyJson(value)))).toEqual(value);
    expect(readNumbers(JSON.parse(stringifyJson(value, 2)))).toEqual(value);
  });

  test('is what JSON.stringify writes otherwise', () => {
    const value = { a: 1, b: [undefined, 'x'], c: undefined, d: NaN, e: { f: [] } };
    expect(stringifyJson(value)).toBe(JSON.stringify(value));
    expect(stringifyJson(value, 2)).toBe(JSON.stringify(value, null, 2));
  });

  const itself: Record<string, unknown> = { a: 1 };
  itself['b'] = [itself];
  test.each<[string, unknown, RegExp]>([
    ['NaN', { a: [0, { b: NaN }] }, /x\.a\[1\]\.b to be data that JSON can hold but received NaN/],
    ['a function', { f: () => 1 }, /x\.f to be .* function f/],
    ['a typed array', [Float32Array.of(1)], /x\[0\] .* Float32Array of length 1/],
    ['undefined in an array', [undefined], /x\[0\] .* undefined/],
    ['a date', { when: new Date(0) }, /x\.when .* object Date/],
    ['a map', new Map([[1, 2]]), /x to be .* object Map/],
    ['a bigint', { n: 1n }, /x\.n .* 1 of type bigint/],
    ['what contains itself', itself, /x\.b\[0\] to be data that does not contain itself/],
  ])('%s is refused', (_, value, message) => {
    expect(() => checkJson('x', value)).toThrow(message);
    expect(() => checkJson('x', value, 'Leave it out')).toThrow(/\. Leave it out$/);
  });

  test('all else is not', () => {
    const same = { x: 1 };
    checkJson('x', { a: [same, same, -0, Infinity], b: 'y', c: null, d: true, e: undefined });
    checkJson('x', Object.create(null));
  });
});
