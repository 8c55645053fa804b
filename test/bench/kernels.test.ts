import { describe, expect, test } from '@jest/globals';
import { findBlasPeers } from '../../lib/bench/blas-peers.js';
import { activeWeights, kernelFamilies } from '../../lib/bench/kernel-problems.js';
import { benchKernels, measurePeak } from '../../lib/bench/kernels.js';
import { availableIsas, Device, loadAddon } from '../../lib/device/index.js';
import { median } from '../../lib/bench/statistics.js';

const shape = { inputs: 10, outputs: 6, batch: 32 };

test('activeWeights counts what masks keep, a short last group too', () => {
  const device = new Device({ threads: 1 });
  for (const [sparsity, pattern] of [
    ['dense', null],
    ['2:4', { n: 2, m: 4 }],
    ['3:7', { n: 3, m: 7 }],
  ] as const) {
    const { mlp } = device.kernels.linear({ inputs: 10, outputs: 6, pattern });
    const mask = mlp.read(0, 'mask');
    expect(activeWeights(shape, sparsity)).toBe(mask.reduce((sum, entry) => sum + entry, 0));
  }
  device.close();
});

describe('benchKernels', () => {
  test('every family under every pattern, with figures that fit each other', async () => {
    const isa = availableIsas()[0]!;
    const { peaks, results } = await benchKernels({
      shapes: [shape],
      patterns: ['dense', '1:4'],
      isas: [isa],
      threads: [1],
      budgetSeconds: 1e-3,
    });
    expect(peaks).toMatchObject([{ isa, threads: 1 }]);
    const expected = kernelFamilies.flatMap(({ name, patterns }) => {
      const used = { all: ['dense', '1:4'], sparse: ['1:4'], none: ['-'] }[patterns];
      return used.map((pattern) => `${name} ${pattern}`);
    });
    expect(results.map(({ kernel, pattern }) => `${kernel} ${pattern}`)).toEqual(expected);
    const forward = results.find(
      ({ kernel, pattern }) => kernel === 'forward' && pattern === '1:4',
    )!;
    // 3 of 10 weights of a row.
    expect(forward.gflops! / forward.denseGflops!).toBeCloseTo(0.3, 9);
    expect(forward.gflops! * forward.microseconds).toBeCloseTo((2 * 32 * 6 * 3) / 1e3, 6);
    expect(forward.ofPeak).toBeCloseTo(forward.gflops! / peaks[0]!.gflops, 9);
    expect(results[0]!.vsDense).toBe(1);
  }, 60_000);
});

describe('the machine peak', () => {
  test.each(availableIsas())('is measured for %s', (isa) => {
    const { gflops, l2Gigabytes } = measurePeak(isa, 2, 0.01);
    expect(gflops).toBeGreaterThan(0.1);
    expect(l2Gigabytes).toBeGreaterThan(0.1);
  });

  test('a kernel does not beat it', async () => {
    const [isa = ''] = availableIsas();
    const options = { shapes: [{ inputs: 128, outputs: 128, batch: 128 }], patterns: ['dense'] };
    const bench = await benchKernels({
      ...options,
      kernels: ['forward'],
      isas: [isa],
      threads: [1],
      budgetSeconds: 1,
    });
    const share = median(bench.results.map(({ ofPeak }) => ofPeak!));
    expect(share).toBeLessThanOrEqual(1.05);
    expect(share).toBeGreaterThan(0);
  });

  test.each([
    ['none', 1],
    ['avx512', 0],
  ])('%s on %d threads is refused', (isa, threads) => {
    expect(() => loadAddon().addon.machinePeak(isa, threads, 0.01)).toThrow('Expected');
  });
});

describe('other libraries', () => {
  test('each is found or named in a note', () => {
    const { peers, notes } = findBlasPeers();
    expect(peers.length + notes.length).toBe(2);
    for (const { run } of peers)
      run({ m: 3, n: 4, k: 5, transposeA: false, transposeB: true }, 1, 2);
  });

  test('why none can be used is said', () => {
    const { BlasPeer } = loadAddon().addon;
    expect(() => new BlasPeer('openblas', ['libno-such-library.so'])).toThrow(
      /No usable library:\n {2}- .*libno-such-library/,
    );
  });
});
