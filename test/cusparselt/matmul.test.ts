/** Products on a GPU, or on the emulated one, against float64. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { available, DenseMatmul, SparseMatmul, versions } from '../../lib/cusparselt/index.js';
import type { MatmulOptions, MatmulType, ResolvedOptions } from '../../lib/cusparselt/index.js';
import { randomFloats } from '../device/reference.js';
import { isSparse, multiply, roundTo, sparsify, wrongOf } from './reference.js';
import type { Operands } from './reference.js';
import { testDevice } from '../device/support.js';

const device = testDevice as 'cuda' | 'cuda-emulated';
const opened: { close(): void }[] = [];
afterEach(() => opened.splice(0).forEach((matmul) => matmul.close()));

function sparse(options: MatmulOptions): SparseMatmul {
  const matmul = new SparseMatmul({ device, ...options });
  opened.push(matmul);
  return matmul;
}
function dense(options: MatmulOptions): DenseMatmul {
  const matmul = new DenseMatmul({ device, ...options });
  opened.push(matmul);
  return matmul;
}

/** Fresh numbers that the type holds exactly; integers for int8. */
function values(type: MatmulType, length: number, seed: number): Float32Array {
  const floats = randomFloats(length, seed);
  if (type === 'int8') return floats.map((x) => Math.max(-128, Math.min(127, Math.round(60 * x))));
  return floats.map((x) => roundTo(type, x));
}

/** All that a product of these options reads; weights are sparse. */
function operandsOf(options: ResolvedOptions, seed: number): Required<Operands> {
  const { m, n, k, type, weights } = options;
  const operands = {
    a: values(type, m * k, seed),
    b: values(type, k * n, seed + 1),
    c: values(type, m * n, seed + 2),
    bias: values(type, weights === 'a' ? m : n, seed + 3),
  };
  sparsify(options, operands[weights]);
  return operands;
}

/** Run a product with fresh operands. Returns the results that are wrong. */
function check(matmul: SparseMatmul | DenseMatmul, seed: number): string[] {
  const { options } = matmul;
  const { a, b, c, bias } = operandsOf(options, seed);
  matmul.setWeights(options.weights === 'a' ? a : b);
  if (options.bias) matmul.setBias(bias);
  const input = options.weights === 'a' ? b : a;
  const d = options.beta === 0 ? matmul.run(input) : matmul.run(input, c);
  const expected = multiply(options, { a, b, c, ...(options.bias ? { bias } : {}) });
  return wrongOf(options, d, expected);
}

const flags = [false, true];
const orders = ['row', 'col'] as const;
const weightSides = ['a', 'b'] as const;

/** Every way in which a product's matrices can lie. */
const layouts = flags.flatMap((transposeA) =>
  flags.flatMap((transposeB) =>
    orders.flatMap((orderA) =>
      orders.flatMap((orderB) =>
        orders.map((orderD) => ({ transposeA, transposeB, orderA, orderB, orderD })),
      ),
    ),
  ),
);
type Layout = (typeof layouts)[number];
/** Whether an operand has values along k beside each other. */
const alongK = {
  a: ({ transposeA, orderA }: Layout) => transposeA === (orderA === 'col'),
  b: ({ transposeB, orderB }: Layout) => transposeB === (orderB === 'row'),
};
const int8Layouts = layouts.filter((layout) => alongK.a(layout) && alongK.b(layout));

(testDevice === 'cpu' ? describe.skip : describe)('products on a GPU', () => {
  test('are available, with the versions of their libraries', () => {
    expect(available({ device })).toMatchObject({ sparse: true, dense: true, problem: '' });
    const { cusparselt, cublaslt } = versions({ device });
    expect(sparse({ m: 16, n: 8, k: 16 }).info.library).toBe(`cuSPARSELt ${cusparselt}`);
    expect(dense({ m: 3, n: 2, k: 1 }).info.library).toBe(`cuBLASLt ${cublaslt}`);
  });

  describe.each(['bf16', 'fp16', 'tf32'] as const)('sparse, %s', (type) => {
    test.each(weightSides)('%s sparse: every layout', (weights) => {
      const [m, n] = weights === 'a' ? [32, 24] : [24, 32];
      const dense = alongK[weights === 'a' ? 'b' : 'a'];
      for (const [i, layout] of layouts.entries()) {
        if (type === 'tf32' && !dense(layout)) continue;
        const bias = i % 4 < 2;
        const activation = i % 3 === 0 ? 'relu' : 'none';
        const matmul = sparse({ m, n, k: 64, type, weights, ...layout, bias, activation });
        expect([layout, check(matmul, 7 * i + 1)]).toEqual([layout, []]);
      }
    });

    test('alpha, beta and C', () => {
      const all = { m: 16, n: 40, k: 32, type, alpha: -0.5, beta: 2, bias: true };
      const options = { ...all, transposeB: true };
      for (const orderD of orders) expect(check(sparse({ ...options, orderD }), 5)).toEqual([]);
    });
  });

  describe.each(['bf16', 'fp16', 'tf32', 'fp32'] as const)('dense, %s', (type) => {
    test('every layout, of odd sizes', () => {
      for (const [i, layout] of layouts.entries()) {
        const weights = weightSides[(i >> 1) % 2]!;
        const bias = (layout.orderD === 'col') === (weights === 'a');
        const activation = (['none', 'relu', 'gelu'] as const)[i % 3]!;
        const matmul = dense({ m: 13, n: 7, k: 12, type, weights, ...layout, bias, activation });
        expect([layout, check(matmul, 7 * i + 2)]).toEqual([layout, []]);
      }
    });

    test('alpha, beta and C; a single element', () => {
      const options = { m: 9, n: 31, k: 5, type, alpha: -0.5, beta: 2 };
      for (const orderD of orders) expect(check(dense({ ...options, orderD }), 6)).toEqual([]);
      expect(check(dense({ m: 1, n: 1, k: 1, type }), 8)).toEqual([]);
    });
  });

  test.each(weightSides)(
    'int8 is exact in every layout that it has, %s sparse or dense',
    (weights) => {
      expect(int8Layouts).toHaveLength(8);
      for (const layout of int8Layouts) {
        const options = { m: 32, n: 64, k: 96, type: 'int8', weights, ...layout } as const;
        expect(check(sparse(options), 11)).toEqual([]);
        expect(check(dense(options), 11)).toEqual([]);
      }
    },
  );

  test('the linear layer of the documentation', () => {
    const [rows, inputs, outputs] = [24, 32, 48];
    const layer = sparse({
      m: outputs,
      n: rows,
      k: inputs,
      type: 'fp16',
      transposeB: true,
      orderD: 'col',
      bias: true,
      activation: 'relu',
    });
    const [w, x, b] = [
      values('fp16', outputs * inputs, 1),
      values('fp16', rows * inputs, 2),
    ].concat(values('fp16', outputs, 3)) as [Float32Array, Float32Array, Float32Array];
    layer.setWeights(w, { prune: 'strip' });
    layer.setBias(b);
    const kept = layer.readWeights();
    const y = layer.run(x);
    for (const row of [0, 7, 23]) {
      for (const output of [0, 13, 47]) {
        let sum = b[output]!;
        for (let i = 0; i < inputs; i++) sum += x[row * inputs + i]! * kept[output * inputs + i]!;
        expect(Math.abs(y[row * outputs + output]! - Math.max(sum, 0))).toBeLessThan(0.02);
      }
    }
  });
});

(testDevice === 'cpu' ? describe.skip : describe)('weights', () => {
  test.each(['bf16', 'fp16'] as const)('%s: conversions round to nearest, ties to even', (type) => {
    const least = type === 'fp16' ? 2 ** -24 : 2 ** -133;
    const special = [0, -0, 1, 65504, 65519, 65520, 1e38, 3.4e38, Infinity, -Infinity, NaN];
    const ties = Array.from(
      { length: 64 },
      (_, i) => 1 + (i + 0.5) * 2 ** (type === 'fp16' ? -10 : -7),
    );
    const small = Array.from({ length: 64 }, (_, i) => (i / 4) * least);
    const random = [...randomFloats(117, 3)].map((x, i) => x * 10 ** ((i % 12) - 7));
    const given = Float32Array.from([...special, ...ties, ...small, ...random]);
    const matmul = dense({ m: 16, n: 1, k: 16, type });
    expect(given).toHaveLength(256);
    matmul.setWeights(given);
    expect(matmul.readWeights()).toEqual(given.map((x) => roundTo(type, x)));
  });

  test.each(['bf16', 'fp16', 'tf32', 'int8'] as const)(
    '%s: pruned by strip and by tile',
    (type) => {
      const options = { m: 64, n: 32, k: 96, type, transposeB: true };
      const matmul = sparse(options);
      const full = values(type, 64 * 96, 4).map((x) => x || 1);
      const group = type === 'tf32' ? 2 : 4;
      for (const how of ['strip', 'tile'] as const) {
        matmul.setWeights(full);
        expect(matmul.isPruned()).toBe(false);
        matmul.prune(how);
        expect(matmul.isPruned()).toBe(true);
        const kept = matmul.readWeights();
        expect(isSparse(matmul.options, kept)).toBe(true);
        expect(kept.every((x, i) => x === 0 || x === full[i])).toBe(true);
        expect(kept.filter((x) => x !== 0)).toHaveLength(full.length / 2);
        const lost = full.map((x, i) => (kept[i] === 0 ? Math.abs(x) : 0));
        for (let first = 0; how === 'strip' && first < full.length; first += group) {
          const most = Math.max(...lost.subarray(first, first + group));
          const least = kept.subarray(first, first + group).filter((x) => x !== 0);
          expect(Math.min(...least.map(Math.abs))).toBeGreaterThanOrEqual(most);
        }
      }
    },
  );

  test('b: what is pruned runs along k, however it lies', () => {
    for (const [transposeB, orderB] of [
      [false, 'row'],
      [true, 'row'],
      [false, 'col'],
    ] as const) {
      const matmul = sparse({ m: 16, n: 48, k: 32, weights: 'b', transposeB, orderB });
      matmul.setWeights(values('bf16', 48 * 32, 5), { prune: 'strip' });
      expect(isSparse(matmul.options, matmul.readWeights())).toBe(true);
    }
  });

  test('that are not sparse are refused, with what to do, and can be pruned then', () => {
    const matmul = sparse({ m: 16, n: 16, k: 32 });
    const weights = new Float32Array(16 * 32);
    weights.set([1, 2, 0, 3]);
    matmul.setWeights(weights);
    const refused =
      /^Expected weights to be zero but for two of every four along k .*setWeights\(values, \{ prune/;
    expect(() => matmul.compress()).toThrow(refused);
    expect(() => matmul.run(new Float32Array(32 * 16))).toThrow(refused);
    expect(() => matmul.time()).toThrow(refused);
    matmul.prune();
    matmul.compress();
    const identity = new Float32Array(32 * 16);
    for (let i = 0; i < 16; i++) identity[i * 16 + i] = 1;
    expect([...matmul.run(identity).subarray(0, 4)]).toEqual([0, 2, 0, 3]);
    expect(() =>
      sparse({ m: 16, n: 4, k: 16, type: 'tf32', transposeB: true }).prune('row' as 'strip'),
    ).toThrow('Expected prune to be one of "strip", "tile" but received "row"');
  });

  test('can be replaced, and hold for every product until then', () => {
    const matmul = sparse({ m: 32, n: 16, k: 64, search: true });
    for (const seed of [1, 2, 3]) expect(check(matmul, 10 * seed)).toEqual([]);
    const input = values('bf16', 64 * 16, 5);
    const first = matmul.run(input);
    matmul.run(values('bf16', 64 * 16, 6));
    expect(matmul.run(input)).toEqual(first);
  });

  test('a NaN among them, or in the input, is seen in its results alone', () => {
    for (const matmul of [sparse({ m: 16, n: 8, k: 32 }), dense({ m: 16, n: 8, k: 32 })]) {
      const { a, b } = operandsOf(matmul.options, 3);
      const [kept, column] = [a.findIndex((x) => x !== 0), 6];
      const row = Math.floor(kept / 32);
      a[kept] = NaN;
      b[5 * 8 + column] = NaN;
      matmul.setWeights(a);
      const d = matmul.run(b);
      for (let i = 0; i < 16; i++) {
        for (let j = 0; j < 8; j++) {
          const isNan = Number.isNaN(d[i * 8 + j]);
          if (i === row || (j === column && a[i * 32 + 5] !== 0)) expect(isNan).toBe(true);
          // Whether zero times NaN counts is the library's affair.
          else if (j !== column) expect(isNan).toBe(false);
        }
      }
    }
  });
});

(testDevice === 'cpu' ? describe.skip : describe)('search and timing', () => {
  const options = { m: 64, n: 64, k: 256 };

  test('a search chooses another algorithm on the emulated GPU, and results stay right', () => {
    const [plain, searched] = [sparse(options), sparse({ ...options, search: true })];
    for (const matmul of [plain, searched]) expect(check(matmul, 9)).toEqual([]);
    const { algorithms } = searched.info;
    expect(searched.info.algorithm).toBeLessThan(algorithms);
    if (device === 'cuda-emulated') {
      expect(plain.info.algorithm).toBe(0);
      expect(searched.info.algorithm).toBe(algorithms - 1);
    }
    const best = dense({ ...options, search: true });
    expect(check(best, 10)).toEqual([]);
    expect(best.info.algorithm).toBeLessThan(best.info.algorithms);
    expect(best.info.compressedBytes).toBe(0);
    // Half the values, and where they were.
    expect(searched.info.compressedBytes).toBeGreaterThan(64 * 256);
    expect(searched.info.compressedBytes).toBeLessThan(2 * 64 * 256);
  });

  test.each(['bf16', 'int8'] as const)(
    '%s: time needs no operands, and leaves those there are',
    (type) => {
      const all = { m: 32, n: 32, k: 64, type, transposeB: true };
      for (const matmul of [sparse(all), dense({ ...all, search: true })]) {
        const timing = matmul.time({ repetitions: 5, launches: 2 });
        expect(timing.count).toBe(5);
        expect(timing.p10).toBeGreaterThan(0);
        expect(timing.median).toBeGreaterThanOrEqual(timing.p10);
        expect(timing.p90).toBeGreaterThanOrEqual(timing.median);
        const operations = 2 * 32 * 32 * 64;
        expect(timing.teraflops).toBeCloseTo(operations / timing.median / 1e6, 12);
        // What it multiplied was not zero.
        expect(matmul.readWeights().filter((x) => x !== 0).length).toBeGreaterThan(500);
        expect(check(matmul, 4)).toEqual([]);
        const kept = matmul.readWeights();
        matmul.time({ repetitions: 1, launches: 1 });
        expect(matmul.readWeights()).toEqual(kept);
      }
    },
  );

  test('counts that make no sense are refused', () => {
    const matmul = dense(options);
    expect(() => matmul.time({ repetitions: 0 })).toThrow(/^Expected repetitions to be a positive/);
    expect(() => matmul.time({ launches: 0.5 })).toThrow(/^Expected launches to be a positive/);
    expect(() => matmul.time({ repetitions: 1e4, launches: 1e4 })).toThrow(/at most 1000000/);
  });
});

(testDevice === 'cpu' ? describe.skip : describe)('misuse', () => {
  test('arrays of another type or length', () => {
    const matmul = sparse({ m: 16, n: 8, k: 32, bias: true, beta: 1 });
    expect(() => matmul.setWeights(new Float32Array(511))).toThrow(
      'Expected weights to be a Float32Array of length 512 but received Float32Array of length 511',
    );
    expect(() => matmul.setWeights(new Float64Array(512) as unknown as Float32Array)).toThrow(
      /^Expected weights to be a Float32Array of length 512 but received Float64Array/,
    );
    expect(() => matmul.setBias(new Float32Array(8))).toThrow(/^Expected bias to be .* length 16/);
    matmul.setWeights(new Float32Array(512));
    expect(() => matmul.run(new Float32Array(1))).toThrow(/^Expected input to be .* length 256/);
    expect(() => matmul.run(new Float32Array(256))).toThrow(
      'Expected c to be a Float32Array of length 128 but received undefined',
    );
    const other = dense({ m: 2, n: 2, k: 2 });
    other.setWeights(new Float32Array(4));
    expect(() => other.run(new Float32Array(4), new Float32Array(4))).toThrow(
      /^Expected c to be absent/,
    );
    expect(() => other.setBias(new Float32Array(2))).toThrow(
      /no bias: make it with the option bias$/,
    );
  });

  test('int8 takes integers of 8 bits alone', () => {
    const matmul = dense({ m: 4, n: 4, k: 4, type: 'int8', transposeB: true });
    for (const wrong of [128, -129, 0.5, NaN]) {
      const weights = new Float32Array(16).fill(-128);
      weights[7] = wrong;
      expect(() => matmul.setWeights(weights)).toThrow(
        `Expected every value of weights to be an integer from -128 to 127 for int8 but received ${wrong}`,
      );
    }
  });

  test('no weights, and a closed product', () => {
    for (const matmul of [sparse({ m: 16, n: 8, k: 32 }), dense({ m: 16, n: 8, k: 32 })]) {
      const input = new Float32Array(256);
      expect(() => matmul.run(input)).toThrow(/no weights yet: call setWeights\(\) first$/);
      expect(() => matmul.readWeights()).toThrow(/no weights yet/);
      matmul.close();
      matmul.close();
      expect(matmul.closed).toBe(true);
      const calls = [
        () => matmul.run(input),
        () => matmul.time(),
        () => matmul.setWeights(new Float32Array(512)),
        () => matmul.readWeights(),
        () => matmul.info,
        ...(matmul instanceof SparseMatmul
          ? [() => matmul.prune(), () => matmul.isPruned(), () => matmul.compress()]
          : []),
      ];
      for (const call of calls) {
        expect(call).toThrow('This product was closed: make a new one');
        expect(call).toThrow(expect.objectContaining({ name: 'RunError' }));
      }
    }
  });

  test('more than the GPU holds is an error that says what to do', () => {
    const large = 2 ** 21;
    expect(() => dense({ m: large, n: 1, k: large })).toThrow(
      /^DenseMatmul cannot be used on device .*Not enough memory on the GPU for \d+ MB: use a smaller m, n or k$/,
    );
    // It left nothing behind that would disturb the next.
    expect(check(dense({ m: 4, n: 4, k: 4 }), 1)).toEqual([]);
  });
});
