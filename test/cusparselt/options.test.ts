/** What a product is asked for is checked before a GPU is looked for: this runs everywhere. */
import { describe, expect, test } from '@jest/globals';
import {
  available,
  DenseMatmul,
  InvalidValueError,
  SparseMatmul,
  versions,
} from '../../lib/cusparselt/index.js';
import type { MatmulOptions } from '../../lib/cusparselt/index.js';

const sizes = { m: 64, n: 64, k: 64 };

function refusal(kind: typeof SparseMatmul | typeof DenseMatmul, options: unknown): string {
  try {
    new kind(options as MatmulOptions).close();
  } catch (error) {
    if (error instanceof InvalidValueError) return error.message;
    return `not refused before the GPU: ${(error as Error).message}`;
  }
  return 'not refused';
}

describe('options that neither library has', () => {
  test.each<[unknown, RegExp]>([
    [undefined, /^Expected options to be an object with m, n and k but received undefined$/],
    [{ m: 64, n: 64 }, /^Expected k to be a positive integer but received undefined$/],
    [{ ...sizes, m: 0 }, /^Expected m to be a positive integer but received 0 of type number$/],
    [{ ...sizes, n: 1.5 }, /^Expected n to be a positive integer/],
    [{ ...sizes, n: NaN }, /^Expected n to be a positive integer/],
    [{ ...sizes, n: '64' }, /^Expected n to be a positive integer but received "64"$/],
    [{ ...sizes, k: 2 ** 30 }, /^Expected k to be at most 16777216/],
    [
      { ...sizes, type: 'fp64' },
      /^Expected type to be one of "bf16", "fp16", "tf32", "fp32", "int8"/,
    ],
    [{ ...sizes, weights: 'A' }, /^Expected weights to be one of "a", "b"/],
    [{ ...sizes, orderA: 'column' }, /^Expected orderA to be one of "row", "col"/],
    [{ ...sizes, orderD: 1 }, /^Expected orderD to be one of/],
    [{ ...sizes, transposeB: 'yes' }, /^Expected transposeB to be true or false/],
    [{ ...sizes, bias: [1] }, /^Expected bias to be true or false but received Array of length 1/],
    [{ ...sizes, activation: 'tanh' }, /^Expected activation to be one of "none", "relu", "gelu"/],
    [{ ...sizes, alpha: NaN }, /^Expected alpha to be a finite number/],
    [{ ...sizes, beta: Infinity }, /^Expected beta to be a finite number/],
    [{ ...sizes, device: 'cpu' }, /^Expected device to be one of "cuda", "cuda-emulated"/],
    [{ ...sizes, transposeb: true }, /^There is no option transposeb.*Did you mean transposeB\?$/],
    [{ ...sizes, type: 'int8' }, /^Expected transposeB to be true for int8 and orderB "row"/],
    [
      { ...sizes, type: 'int8', orderA: 'col', transposeB: true },
      /^Expected transposeA to be true for int8 and orderA "col".*neighbours in memory$/,
    ],
    [
      { ...sizes, type: 'int8', transposeB: true, alpha: 2 },
      /^Expected alpha to be 1 for int8.*neither bias, activation, alpha nor beta$/,
    ],
    [{ ...sizes, type: 'int8', transposeB: true, beta: 1 }, /^Expected beta to be 0 for int8/],
    [{ ...sizes, type: 'int8', transposeB: true, bias: true }, /^Expected bias to be false/],
    [
      { ...sizes, type: 'int8', transposeB: true, activation: 'relu' },
      /^Expected activation to be "none" for int8/,
    ],
  ])('%j', (options, message) => {
    expect(refusal(SparseMatmul, options)).toMatch(message);
    expect(refusal(DenseMatmul, options)).toMatch(message);
  });
});

describe('what cuSPARSELt does not take', () => {
  test.each<[Partial<MatmulOptions>, RegExp]>([
    [{ k: 17 }, /^Expected k to be a multiple of 16 for bf16 but received 17 of type number$/],
    [{ k: 72 }, /^Expected k to be a multiple of 16 for bf16/],
    [{ m: 72 }, /^Expected m to be a multiple of 16 for bf16/],
    [{ n: 60, type: 'fp16' }, /^Expected n to be a multiple of 8 for fp16/],
    [{ n: 72, weights: 'b' }, /^Expected n to be a multiple of 16 for bf16/],
    [{ m: 60, weights: 'b' }, /^Expected m to be a multiple of 8 for bf16/],
    [{ m: 40, type: 'tf32' }, /^Expected m to be a multiple of 16 for tf32/],
    [{ k: 40, type: 'tf32' }, /^Expected k to be a multiple of 16 for tf32/],
    [{ n: 62, type: 'tf32' }, /^Expected n to be a multiple of 4 for tf32/],
    [{ m: 48, type: 'int8', transposeB: true }, /^Expected m to be a multiple of 32 for int8/],
    [{ n: 8, type: 'int8', transposeB: true }, /^Expected n to be a multiple of 16 for int8/],
    [
      { type: 'tf32' },
      /^Expected transposeB to be true for tf32 and orderB "row" .*dense operand along k have/,
    ],
    [
      { type: 'tf32', transposeB: true, orderB: 'col' },
      /^Expected transposeB to be false for tf32/,
    ],
    [{ type: 'tf32', weights: 'b', transposeA: true }, /^Expected transposeA to be false for tf32/],
    [{ type: 'fp32' }, /^Expected type to be one of .*as tf32; DenseMatmul has fp32$/],
    [{ activation: 'gelu' }, /^Expected activation to be "none" or "relu".*DenseMatmul has it$/],
  ])('%j', (options, message) => {
    expect(refusal(SparseMatmul, { ...sizes, ...options })).toMatch(message);
  });
});

describe('what cuBLASLt does not take', () => {
  test.each<[Partial<MatmulOptions>, RegExp]>([
    [
      { bias: true },
      /^Expected orderD to be "col" for a product with bias and weights "a".*together/,
    ],
    [{ bias: true, weights: 'b', orderD: 'col' }, /^Expected orderD to be "row" for a product/],
    [{ k: 6, type: 'int8', transposeB: true }, /^Expected k to be a multiple of 4 for int8/],
  ])('%j', (options, message) => {
    expect(refusal(DenseMatmul, { ...sizes, ...options })).toMatch(message);
  });
});

// On a machine with a GPU there is nothing to say.
(available().dense ? describe.skip : describe)('without a GPU', () => {
  test('every way in says what is missing and what helps', () => {
    const { problem, ...rest } = available();
    expect(rest).toMatchObject({ sparse: false, dense: false });
    expect(problem).toMatch(/[Ii]nstall|GPU/);
    const cause = problem.replace('CUDA is not part of this build: ', '');
    for (const kind of [SparseMatmul, DenseMatmul]) {
      expect(() => new kind(sizes)).toThrow(
        `${kind.name} cannot be used on device "cuda". ${cause}`,
      );
      expect(() => new kind(sizes)).toThrow(expect.objectContaining({ name: 'RunError' }));
    }
  });

  test('versions are those of libraries that were found', () => {
    for (const version of Object.values(versions())) {
      expect(version === null || /^\d+\.\d+\.\d+$/.test(version)).toBe(true);
    }
  });

  test('another device is refused by name', () => {
    expect(() => available({ device: 'cpu' as 'cuda' })).toThrow(
      'Expected device to be one of "cuda", "cuda-emulated" but received "cpu"',
    );
  });
});
