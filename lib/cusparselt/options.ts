/** The options of a product: defaults, and what the libraries take. */
import { checkInteger, checkNumber, InvalidValueError, invalidValue } from '../errors.js';
import { suggest } from '../nearest.js';

/** Names of the types that operands can have. */
export const matmulTypes = ['bf16', 'fp16', 'tf32', 'fp32', 'int8'] as const;

/**
 * How operands are held and multiplied. Values are given and returned as float32; they are rounded
 * to nearest, ties to even. Sums are float32, for int8 int32.
 *
 * - bf16, fp16: 16 bits each; so are bias and result
 * - tf32: float32, rounded to 10 bits of mantissa within the tensor cores
 * - fp32: float32 throughout; `DenseMatmul` only
 * - int8: integers from -128 to 127, with integers of 32 bits as the result
 */
export type MatmulType = (typeof matmulTypes)[number];

/** How a matrix lies in its array: row by row or column by column. */
export type Order = 'row' | 'col';

/** D[m, n] = activation(alpha op(A)[m, k] op(B)[k, n] + beta C[m, n] + bias) */
export interface MatmulOptions {
  /** Rows of op(A) and of D. */
  m: number;
  /** Columns of op(B) and of D. */
  n: number;
  /** Columns of op(A) and rows of op(B): the sums run over it, and so do the groups of 2:4. */
  k: number;
  /** Default: "bf16". */
  type?: MatmulType;
  /** The operand that holds the weights, which `SparseMatmul` takes as sparse. Default: "a". */
  weights?: 'a' | 'b';
  /** A is given as [k, m] in place of [m, k]. Default: false. */
  transposeA?: boolean;
  /** B is given as [n, k] in place of [k, n]. Default: false. */
  transposeB?: boolean;
  /** Default: "row". */
  orderA?: Order;
  /** Default: "row". */
  orderB?: Order;
  /** Of D and C. Default: "row". */
  orderD?: Order;
  /**
   * Add a value to each of the lines of D that weights make: to each row (m values) where A holds the
   * weights, to each column (n values) where B does. `DenseMatmul` has it where these lines are not
   * those that lie together: with `orderD` "col" and "row". Default: false.
   */
  bias?: boolean;
  /** "gelu" (its approximation with tanh) is for `DenseMatmul`. Default: "none". */
  activation?: 'none' | 'relu' | 'gelu';
  /** Default: 1. */
  alpha?: number;
  /** If it is not 0, `run` takes C as its second argument. Default: 0. */
  beta?: number;
  /**
   * Before the first product measure the library's algorithms on it and keep the fastest; else the
   * library's own first choice is taken. Default: false.
   */
  search?: boolean;
  /** "cuda-emulated" is for tests: it says nothing about speed. Default: "cuda". */
  device?: 'cuda' | 'cuda-emulated';
}

export type ResolvedOptions = Required<MatmulOptions>;

/** The libraries' sizes are larger, GPUs' memories are not. */
const largestSize = 2 ** 24;

const defaults: Omit<ResolvedOptions, 'm' | 'n' | 'k'> = {
  type: 'bf16',
  weights: 'a',
  transposeA: false,
  transposeB: false,
  orderA: 'row',
  orderB: 'row',
  orderD: 'row',
  bias: false,
  activation: 'none',
  alpha: 1,
  beta: 0,
  search: false,
  device: 'cuda',
};

const keys = ['m', 'n', 'k', ...Object.keys(defaults)];

function checkChoice<T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T;
  throw invalidValue(name, `one of "${choices.join('", "')}"`, value);
}

function checkFlag(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw invalidValue(name, 'true or false', value);
}

/** @internal */
export function checkDevice(device: unknown = defaults.device): 'cuda' | 'cuda-emulated' {
  return checkChoice('device', device, ['cuda', 'cuda-emulated']);
}

/**
 * Options with their defaults.
 *
 * @throws InvalidValueError that names the option and says what is supported
 * @internal
 */
export function resolveOptions(options: MatmulOptions, sparse: boolean): ResolvedOptions {
  if (typeof options !== 'object' || options === null) {
    throw invalidValue('options', 'an object with m, n and k', options);
  }
  for (const key of Object.keys(options)) {
    if (keys.includes(key)) continue;
    throw new InvalidValueError(`There is no option ${key} of a product. ${suggest(key, keys)}`);
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const all = { ...defaults, ...Object.fromEntries(given) } as ResolvedOptions;
  checkValues(all);
  if (all.type === 'int8') checkIntegers(all);
  if (sparse) checkSparse(all);
  else checkDense(all);
  return all;
}

function checkValues(all: ResolvedOptions): void {
  for (const name of ['m', 'n', 'k'] as const) {
    checkInteger(name, all[name]);
    if (all[name] > largestSize) throw invalidValue(name, `at most ${largestSize}`, all[name]);
  }
  checkChoice('type', all.type, matmulTypes);
  checkChoice('weights', all.weights, ['a', 'b']);
  checkChoice('activation', all.activation, ['none', 'relu', 'gelu']);
  for (const name of ['orderA', 'orderB', 'orderD'] as const) {
    checkChoice(name, all[name], ['row', 'col']);
  }
  for (const name of ['transposeA', 'transposeB', 'bias', 'search'] as const) {
    checkFlag(name, all[name]);
  }
  checkNumber('alpha', all.alpha);
  checkNumber('beta', all.beta);
  checkDevice(all.device);
}

function checkMultiple(all: ResolvedOptions, name: 'm' | 'n' | 'k', unit: number): void {
  if (all[name] % unit === 0) return;
  throw invalidValue(name, `a multiple of ${unit} for ${all.type}`, all[name]);
}

/** Values along k have to be neighbours in memory. */
function checkAlongK(all: ResolvedOptions, operand: 'a' | 'b', why: string): void {
  const [transpose, order] =
    operand === 'a' ? (['transposeA', 'orderA'] as const) : (['transposeB', 'orderB'] as const);
  const wanted = (all[order] === 'row') === (operand === 'b');
  if (all[transpose] === wanted) return;
  const expected = `${wanted} for ${all.type} and ${order} "${all[order]}"`;
  throw invalidValue(transpose, expected, all[transpose], why);
}

/** What both libraries have of int8 with results of 32 bits. */
function checkIntegers(all: ResolvedOptions): void {
  const only = 'An int8 product has neither bias, activation, alpha nor beta';
  if (all.bias) throw invalidValue('bias', 'false for int8', all.bias, only);
  if (all.activation !== 'none') {
    throw invalidValue('activation', '"none" for int8', all.activation, only);
  }
  if (all.alpha !== 1) throw invalidValue('alpha', '1 for int8', all.alpha, only);
  if (all.beta !== 0) throw invalidValue('beta', '0 for int8', all.beta, only);
  for (const operand of ['a', 'b'] as const) {
    checkAlongK(all, operand, 'Values along k have to be neighbours in memory');
  }
}

/**
 * What cuSPARSELt takes: its sizes are multiples of 16 bytes, of 32 for the sparse operand. Of tf32 these
 * are 64: it takes 32, but compressing such sizes was seen to write beyond its buffer (0.8, on Hopper).
 */
function checkSparse(all: ResolvedOptions): void {
  if (all.type === 'fp32') {
    const help = 'cuSPARSELt multiplies float32 as tf32; DenseMatmul has fp32';
    throw invalidValue('type', 'one of "bf16", "fp16", "tf32", "int8"', all.type, help);
  }
  if (all.activation === 'gelu') {
    const help = 'cuSPARSELt has no GELU for these types; DenseMatmul has it';
    throw invalidValue('activation', '"none" or "relu"', all.activation, help);
  }
  const unit = { bf16: 8, fp16: 8, tf32: 4, int8: 16 }[all.type];
  const sparseUnit = Math.max(16, 2 * unit);
  checkMultiple(all, 'm', all.weights === 'a' ? sparseUnit : unit);
  checkMultiple(all, 'n', all.weights === 'b' ? sparseUnit : unit);
  checkMultiple(all, 'k', sparseUnit);
  // cuSPARSELt 0.8.0 does not return from planning others on Hopper.
  const why = 'Values of the dense operand along k have to be neighbours in memory';
  if (all.type === 'tf32') checkAlongK(all, all.weights === 'a' ? 'b' : 'a', why);
}

function checkDense(all: ResolvedOptions): void {
  if (all.type === 'int8') for (const name of ['m', 'n', 'k'] as const) checkMultiple(all, name, 4);
  const order = all.weights === 'a' ? 'col' : 'row';
  if (all.bias && all.orderD !== order) {
    const help = 'cuBLASLt adds one value to what does not lie together in memory';
    const expected = `"${order}" for a product with bias and weights "${all.weights}"`;
    throw invalidValue('orderD', expected, all.orderD, help);
  }
}
