/** The lines that a run prints about its sparse layers. */
import { describe, expect, test } from '@jest/globals';
import type { SparseChoice } from '../../lib/device/index.js';
import { describeSparseChoices, describeUnused } from '../../lib/td3/sparse-notice.js';

const choice = (some: Partial<SparseChoice>): SparseChoice => ({
  outputs: 64,
  inputs: 64,
  rows: 16,
  members: 1,
  pattern: '1:8',
  precision: 'tf32',
  pass: 'forward',
  chosen: 'dense',
  denseUs: null,
  sparseUs: null,
  cached: false,
  reason: '',
  ...some,
});
const [taken, slower, last] = [
  choice({ chosen: 'sparse', denseUs: 2, sparseUs: 1 }),
  choice({ denseUs: 1, sparseUs: 2, reason: '200% of the dense time' }),
  choice({ reason: 'the last layer: few outputs' }),
];
const sampled = choice({ pass: 'weight gradient', chosen: 'sparse', denseUs: 2, sparseUs: 1 });
const product = choice({ pass: 'weight gradient', reason: 'few outputs' });

describe('sparse layers', () => {
  test.each([
    ['nothing chosen', [], []],
    ['all sparse', [taken], ['Sparse tensor cores took 1 of 1 products']],
    [
      'some dense',
      [taken, slower, last, slower],
      [
        'Sparse tensor cores took 1 of 4 products; masked dense: 2 (not faster), 1 (the last layer: few outputs)',
      ],
    ],
    ['weight gradients, all dense', [taken, product], ['Sparse tensor cores took 1 of 1 products']],
    [
      'weight gradients in fp32',
      [last, sampled, product].map((each) => ({ ...each, precision: 'fp32' as const })),
      ['At active weights alone, where that is faster or asked for: 1 of 2 weight gradients'],
    ],
    [
      'both',
      [taken, sampled],
      [
        'Sparse tensor cores took 1 of 1 products',
        'At active weights alone, where that is faster or asked for: 1 of 1 weight gradients',
      ],
    ],
  ])('%s', (_, choices, lines) => {
    expect(describeSparseChoices(choices)).toEqual(lines);
  });
});

test('options without effect on a CPU', () => {
  const defaults = {
    precision: 'fp32',
    sparse: 'auto',
    dataGradient: 'dense',
    weightGradient: 'auto',
  };
  expect(describeUnused(defaults)).toEqual([]);
  expect(describeUnused({ ...defaults, precision: 'bf16', weightGradient: 'sampled' })).toEqual([
    'Without effect on the CPU, which computes in float32: precision "bf16", weightGradient "sampled"',
  ]);
});
