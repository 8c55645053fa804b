/** Products in float64, and numbers as the GPU's types hold them. */
import type { MatmulOptions, MatmulType, ResolvedOptions } from '../../lib/cusparselt/index.js';

/** Bits of mantissa, the smallest normal exponent and the largest finite number. */
const formats = {
  bf16: { bits: 7, least: -126, largest: 255 * 2 ** 120 },
  fp16: { bits: 10, least: -14, largest: 65504 },
};

/** The nearest number that a type holds, ties to even. */
export function roundTo(type: MatmulType, value: number): number {
  if (type !== 'bf16' && type !== 'fp16') return value;
  if (!Number.isFinite(value)) return value;
  const { bits, least, largest } = formats[type];
  const size = Math.abs(value);
  let exponent = least;
  while (2 ** (exponent + 1) <= size) exponent++;
  const unit = 2 ** (exponent - bits);
  const steps = Math.floor(size / unit);
  const rest = size / unit - steps;
  const rounded = (rest > 0.5 || (rest === 0.5 && steps % 2 === 1) ? steps + 1 : steps) * unit;
  // A zero keeps its sign.
  return (
    (Object.is(Math.sign(value), -0) || value < 0 ? -1 : 1) *
    (rounded > largest ? Infinity : rounded)
  );
}

/** Where element (row, column) of a stored matrix lies. */
function place(rows: number, columns: number, order: string, row: number, column: number): number {
  return order === 'row' ? row * columns + column : column * rows + row;
}

/** Where op(A)[i, l], op(B)[l, j] and D[i, j] lie. */
export function places(options: ResolvedOptions) {
  const { m, n, k, transposeA, transposeB, orderA, orderB, orderD } = options;
  return {
    a: (i: number, l: number) =>
      transposeA ? place(k, m, orderA, l, i) : place(m, k, orderA, i, l),
    b: (l: number, j: number) =>
      transposeB ? place(n, k, orderB, j, l) : place(k, n, orderB, l, j),
    d: (i: number, j: number) => place(m, n, orderD, i, j),
  };
}

export interface Operands {
  a: Float32Array;
  b: Float32Array;
  c?: Float32Array;
  bias?: Float32Array;
}

/** D in float64 with no rounding but that of the operands, and what its sums are made of in all. */
export function multiply(
  options: ResolvedOptions,
  { a, b, c, bias }: Operands,
): { d: Float64Array; size: Float64Array } {
  const { m, n, k, alpha, beta, activation, weights } = options;
  const at = places(options);
  const [d, size] = [new Float64Array(m * n), new Float64Array(m * n)];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      let total = 0;
      for (let l = 0; l < k; l++) {
        const term = a[at.a(i, l)]! * b[at.b(l, j)]!;
        sum += term;
        total += Math.abs(term);
      }
      const other =
        (beta === 0 ? 0 : beta * c![at.d(i, j)]!) + (bias?.[weights === 'a' ? i : j] ?? 0);
      d[at.d(i, j)] = activate(activation, alpha * sum + other);
      size[at.d(i, j)] = Math.abs(alpha) * total + Math.abs(other);
    }
  }
  return { d, size };
}

function activate(activation: MatmulOptions['activation'], x: number): number {
  // Written so that NaN passes.
  if (activation === 'relu') return x < 0 ? 0 : x;
  if (activation !== 'gelu') return x;
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/**
 * What a result may be off by, as a part of the sum's size: rounding of tf32 and of sums, and twice of
 * results, as cuBLASLt rounds some before it adds their bias.
 */
export const tolerances: Record<MatmulType, number> = {
  bf16: 2 ** -7,
  fp16: 2 ** -10,
  tf32: 2 ** -9,
  fp32: 2 ** -20,
  int8: 0,
};

/** GELU is computed with the GPU's tanh, which has 11 bits. */
const geluTolerance = 2 ** -10;

/** The results that are off by more than their type's rounding, in words; a NaN is. */
export function wrongOf(
  { type, activation }: ResolvedOptions,
  received: Float32Array,
  { d, size }: { d: Float64Array; size: Float64Array },
): string[] {
  const tolerance = Math.max(tolerances[type], activation === 'gelu' ? geluTolerance : 0);
  return [...d].flatMap((expected, i) => {
    const allowed = tolerance * size[i]!;
    if (Math.abs(received[i]! - expected) <= allowed) return [];
    return `${i}: ${received[i]} and not ${expected}, give or take ${allowed}`;
  });
}

/** Weights with at most two of every four along k nonzero (one of two for tf32), unevenly. */
export function sparsify(options: ResolvedOptions, values: Float32Array): Float32Array {
  const { m, n, k, weights, type } = options;
  const group = type === 'tf32' ? 2 : 4;
  const at = places(options);
  const where = (line: number, l: number) => (weights === 'a' ? at.a(line, l) : at.b(l, line));
  for (let line = 0; line < (weights === 'a' ? m : n); line++) {
    for (let first = 0; first < k; first += group) {
      const start = line + first / group;
      const kept = start % 7 === 0 ? 0 : group / 2;
      for (let i = kept; i < group; i++) values[where(line, first + ((start + i * 3) % group))] = 0;
    }
  }
  return values;
}

/** Whether no group along k has too many nonzero values. */
export function isSparse(options: ResolvedOptions, values: Float32Array): boolean {
  const { m, n, k, weights, type } = options;
  const group = type === 'tf32' ? 2 : 4;
  const at = places(options);
  for (let line = 0; line < (weights === 'a' ? m : n); line++) {
    for (let first = 0; first < k; first += group) {
      let nonzero = 0;
      for (let l = first; l < first + group; l++) {
        if (values[weights === 'a' ? at.a(line, l) : at.b(l, line)] !== 0) nonzero++;
      }
      if (nonzero > group / 2) return false;
    }
  }
  return true;
}
