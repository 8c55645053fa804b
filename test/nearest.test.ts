import { describe, expect, test } from '@jest/globals';
import { findNearest, suggest } from '../lib/nearest.js';

const names = ['batchSize', 'bufferSize', 'tau', 'gamma'];

describe('findNearest', () => {
  test.each([
    ['batchsize', 'batchSize'],
    ['batch-size', 'batchSize'],
    ['batch_sise', 'batchSize'],
    ['bufersize', 'bufferSize'],
    ['gama', 'gamma'],
    ['ta', 'tau'],
  ])('%s means %s', (word, name) => {
    expect(findNearest(word, names)).toBe(name);
  });

  test.each(['', 'learningRate', 'size'])('%p means none of them', (word) => {
    expect(findNearest(word, names)).toBeUndefined();
  });

  test('the nearest wins, and of two as near the first', () => {
    expect(findNearest('ac', ['abc', 'ac', 'aa'])).toBe('ac');
    expect(findNearest('a', ['ab', 'ac'])).toBe('ab');
  });
});

test('suggest asks, or lists what is known', () => {
  expect(suggest('gamm', names)).toBe('Did you mean gamma?');
  expect(suggest('zzzzzz', names)).toBe('Known are batchSize, bufferSize, tau, gamma');
});
