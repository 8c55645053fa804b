import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { NmMatrix } from '../../lib/device/index.js';
import { decodeSafetensors } from '../../lib/train/formats/safetensors.js';
import { projectMask, randomFloats } from './reference.js';
import { maskOf } from './support.js';

describe('projection', () => {
  const path = new URL('../fixtures/td3/projection.safetensors', import.meta.url);
  const { tensors } = decodeSafetensors(readFileSync(path), 'projection.safetensors');
  const expected = Object.keys(tensors).filter((name) => name.includes('.mask.'));

  test('the fixture holds patterns with ties and short groups', () => {
    expect(expected.length).toBeGreaterThan(20);
  });

  test.each(expected)('PyTorch: %s', (name) => {
    const [, weights, n, m] = /^(w\d+)\.mask\.(\d+)of(\d+)$/.exec(name)!;
    const { data, shape } = tensors[weights!]!;
    const [outputs, inputs] = shape as [number, number];
    const matrix = new NmMatrix(
      data as Float32Array,
      { outputs, inputs },
      { n: Number(n), m: Number(m) },
    );
    expect(maskOf(matrix)).toEqual(Uint8Array.from(tensors[name]!.data as Uint8Array));
  });

  test('every N:M up to 32, on a width that leaves a short group', () => {
    const [outputs, inputs] = [3, 41];
    for (let m = 1; m <= 32; m++) {
      for (let n = 1; n <= m; n++) {
        // Few levels make ties common.
        const weights = randomFloats(outputs * inputs, 100 * m + n).map(
          (w) => Math.round(3 * w) / 3,
        );
        const matrix = new NmMatrix(weights, { outputs, inputs }, { n, m });
        const mask = projectMask(weights, inputs, { n, m });
        expect(maskOf(matrix)).toEqual(mask);
        expect(matrix.stored()).toEqual(weights);
        expect(matrix.materialize()).toEqual(weights.map((w, i) => (mask[i] === 1 ? w : 0)));
      }
    }
  });

  test('exactly N stay active whatever the values: zeros, infinities, NaN', () => {
    const weights = Float32Array.from([0, 0, 0, 0, NaN, 1, NaN, NaN, -Infinity, Infinity, 1, 2]);
    const matrix = new NmMatrix(weights, { outputs: 1, inputs: 12 }, { n: 2, m: 4 });
    expect([...matrix.columns]).toEqual([0, 1, 4, 6, 8, 9]);
  });
});

describe('the data structure', () => {
  const shape = { outputs: 19, inputs: 37 };
  const pattern = { n: 2, m: 5 };
  const make = (seed: number) =>
    new NmMatrix(randomFloats(shape.outputs * shape.inputs, seed), shape, pattern);

  test('the transposed index leads from inputs to values', () => {
    const matrix = make(1);
    const { start, rows, slots } = matrix.transposedIndex();
    const { values, columns } = matrix;
    const perRow = values.length / shape.outputs;
    expect(start[0]).toBe(0);
    expect(start[shape.inputs]).toBe(values.length);
    expect(new Set(slots).size).toBe(values.length);
    columns.forEach((column, k) => {
      const slot = slots[k]!;
      expect(slot).toBeGreaterThanOrEqual(start[column]!);
      expect(slot).toBeLessThan(start[column + 1]!);
      expect(rows[slot]).toBe(Math.floor(k / perRow));
    });
    for (let i = 0; i < shape.inputs; i++) {
      const mine = [...rows.subarray(start[i]!, start[i + 1]!)];
      expect(mine).toEqual(mine.toSorted((a, b) => a - b));
    }
  });

  test('assign keeps the mask; updateMask projects and counts what changed', () => {
    const matrix = make(2);
    const before = maskOf(matrix);
    const weights = randomFloats(shape.outputs * shape.inputs, 3);
    matrix.assign(weights);
    expect(maskOf(matrix)).toEqual(before);
    expect(matrix.stored()).toEqual(weights);
    const changed = matrix.updateMask();
    const after = maskOf(matrix);
    expect(after).toEqual(projectMask(weights, shape.inputs, pattern));
    expect(changed).toBe(after.filter((entry, i) => entry !== before[i]).length);
    expect(matrix.stored()).toEqual(weights);
    expect(matrix.updateMask()).toBe(0);
  });

  test('divergence counts the positions in which two masks differ', () => {
    const [a, b] = [make(4), make(5)];
    const other = maskOf(b);
    expect(a.divergence(b)).toBe(maskOf(a).filter((entry, i) => entry !== other[i]).length);
    expect(a.divergence(a)).toBe(0);
    expect(b.divergence(a)).toBe(a.divergence(b));
  });

  test('what does not fit is refused', () => {
    const weights = new Float32Array(12);
    const of = (n: number, m: number) => () =>
      new NmMatrix(weights, { outputs: 3, inputs: 4 }, { n, m });
    expect(of(5, 4)).toThrow(/m to be an integer of at least 5 but received 4/);
    expect(of(0, 4)).toThrow(/Expected n to be a positive integer but received 0/);
    expect(of(1, 33)).toThrow(/at most 32/);
    expect(of(NaN, 4)).toThrow(/Expected n/);
    expect(() => new NmMatrix(weights, { outputs: 3, inputs: 5 }, pattern)).toThrow(/length 15/);
    expect(() => new NmMatrix([] as unknown as Float32Array, shape, pattern)).toThrow(
      /Float32Array/,
    );
    expect(() => make(1).assign(weights)).toThrow(/length 703/);
    const small = new NmMatrix(weights, { outputs: 3, inputs: 4 }, pattern);
    expect(() => small.divergence(make(1))).toThrow(/same shape/);
    expect(() => small.divergence({} as never)).toThrow('Expected other to be an NmMatrix');
    const tooWide = { outputs: 1, inputs: 65_536 };
    expect(() => new NmMatrix(new Float32Array(65_536), tooWide, pattern)).toThrow(
      /inputs to be an integer from 1 to 65535/,
    );
  });
});
