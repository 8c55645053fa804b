import { describe, expect, test } from '@jest/globals';
import { formatPatterns, layerPatterns, parsePatterns } from '../../lib/td3/pattern.js';
import type { SparseLayers } from '../../lib/td3/pattern.js';

const [p18, p24] = [
  { n: 1, m: 8 },
  { n: 2, m: 4 },
];

describe('parsePatterns', () => {
  test('one pattern, or one for each layer', () => {
    expect(parsePatterns('sparsity', '1:8')).toEqual([p18]);
    expect(parsePatterns('sparsity', 'dense, 1:8,2:4')).toEqual([null, p18, p24]);
  });

  test.each(['dense,', ',1:8', '1:8,,dense', '1:8 dense'])('%p is none', (text) => {
    expect(() => parsePatterns('sparsity', text)).toThrow(
      /sparsity to be "dense" or a pattern N:M/,
    );
  });

  test('says which layer is wrong', () => {
    expect(() => parsePatterns('sparsity', 'dense,9:8,dense')).toThrow(
      'Expected layer 2 of sparsity to be "dense" or a pattern N:M with 1 <= N <= M <= 32 but received "9:8"',
    );
  });
});

describe('layerPatterns', () => {
  const of = (text: string, inputs: number, layers: SparseLayers) =>
    layerPatterns('sparsity', text, [inputs, 256, 256, 6], layers);

  test('a single pattern is for the layers that are asked for', () => {
    expect(of('1:8', 17, 'all')).toEqual([p18, p18, p18]);
    expect(of('1:8', 17, 'all-but-last')).toEqual([p18, p18, null]);
    expect(of('1:8', 17, 'hidden')).toEqual([null, p18, null]);
    expect(of('dense', 17, 'all')).toEqual([null, null, null]);
  });

  test('by-inputs spares a first layer whose units would keep fewer than 8', () => {
    expect(of('1:8', 63, 'by-inputs')).toEqual([null, p18, null]);
    expect(of('1:8', 64, 'by-inputs')).toEqual([p18, p18, null]);
    expect(of('2:4', 15, 'by-inputs')).toEqual([null, p24, null]);
    expect(of('2:4', 16, 'by-inputs')).toEqual([p24, p24, null]);
  });

  test('a list is taken as it is, whatever sparseLayers says', () => {
    expect(of('2:4,dense,1:8', 17, 'hidden')).toEqual([p24, null, p18]);
  });

  test.each(['dense,1:8', 'dense,1:8,1:8,dense'])('%p has another number of layers', (text) => {
    expect(() => of(text, 17, 'all')).toThrow(
      `Expected sparsity to be one pattern, or 3 with commas between them, one for each layer, but received "${text}"`,
    );
  });
});

test('patterns are written as they are read', () => {
  expect(formatPatterns([p18, p18, p18])).toBe('1:8');
  expect(formatPatterns([null, null])).toBe('dense');
  expect(formatPatterns([null, p18, p24])).toBe('dense,1:8,2:4');
});
