/** What sparse and dense products have in common. */
import { summarize } from '../bench/statistics.js';
import type { Summary } from '../bench/statistics.js';
import { loadAddon } from '../device/index.js';
import type { NativeMatmul, NativeMatmulOperand } from '../device/index.js';
import { checkInteger, invalidValue, RunError } from '../errors.js';
import { Random } from '../random.js';
import { resolveOptions } from './options.js';
import type { MatmulOptions, ResolvedOptions } from './options.js';

/** How long a product takes, in microseconds. */
export interface Timing extends Summary {
  /** 2 m n k operations in the median time, zeros of a sparse operand counted: 10^12 a second. */
  teraflops: number;
}

export interface TimeOptions {
  /** Measurements. Default: 50. */
  repetitions?: number;
  /**
   * Products in a row that one measurement takes the mean of: more make the cost of a launch
   * smaller beside a short product. Operands that fit the GPU's caches stay there. Default: 10.
   */
  launches?: number;
}

export interface MatmulInfo {
  /** Library and version, e.g. "cuSPARSELt 0.8.1". */
  library: string;
  /** The algorithm in use, of `algorithms` that the library has for this product. */
  algorithm: number;
  algorithms: number;
  /** Memory that the algorithm needs. */
  workspaceBytes: number;
  /** The compressed weights; 0 if they are not sparse. */
  compressedBytes: number;
}

/** Random values repeat after this many: a prime, so that they do not line up with rows. */
const randomPeriod = 65_537;

/** A product in the GPU's memory; `SparseMatmul` and `DenseMatmul` are the two there are. */
export abstract class Matmul {
  /** The options with their defaults. */
  readonly options: Readonly<ResolvedOptions>;
  readonly #native: NativeMatmul;
  /** Operands that hold values. */
  readonly #given = new Set<NativeMatmulOperand>();
  #searched: boolean;
  #closed = false;

  /** @internal */
  protected constructor(options: MatmulOptions, sparse: boolean) {
    const all = resolveOptions(options, sparse);
    this.options = Object.freeze(all);
    this.#searched = !all.search;
    try {
      this.#native = new (loadAddon().addon.Matmul)(all.device, {
        ...all,
        sparse: sparse ? all.weights : 'none',
        rowMajorA: all.orderA === 'row',
        rowMajorB: all.orderB === 'row',
        rowMajorD: all.orderD === 'row',
      });
    } catch (error) {
      const what = sparse ? 'SparseMatmul' : 'DenseMatmul';
      throw new RunError(
        `${what} cannot be used on device "${all.device}". ${(error as Error).message}`,
      );
    }
  }

  /** True after `close()`. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Library, algorithm and memory. */
  get info(): MatmulInfo {
    return this.call((native) => native.info());
  }

  /**
   * Set the bias of a product that was made with one.
   *
   * @param values m numbers, one for each row of D, or with `weights: "b"` n, one for each column
   */
  setBias(values: Float32Array): void {
    if (!this.options.bias) {
      throw new RunError('This product has no bias: make it with the option bias');
    }
    this.write('bias', 'bias', values);
  }

  /** The weights as they lie in memory, rounded to the product's type (and pruned, if they were). */
  readWeights(): Float32Array {
    this.requireWeights();
    return this.read(this.options.weights);
  }

  /**
   * Compute D.
   *
   * @param input all of the operand that does not hold the weights
   * @param c all of C, laid out as D is, if beta is not 0
   * @returns D, [m, n] in the order `orderD`
   * @throws InvalidValueError for arrays of another type or length; for weights with too many
   *     nonzero values in a sparse product
   * @throws RunError without weights, after `close()`, and for what the GPU cannot do
   */
  run(input: Float32Array, c?: Float32Array): Float32Array {
    const { beta, weights } = this.options;
    this.requireWeights();
    if (beta === 0 && c !== undefined) throw invalidValue('c', 'absent where beta is 0', c);
    this.write('input', weights === 'a' ? 'b' : 'a', input);
    if (beta !== 0) this.write('c', 'c', c);
    this.#prepare();
    this.call((native) => native.run());
    return this.read('d');
  }

  /**
   * Measure the product on the GPU, between events on its stream. Operands that were not set hold
   * random numbers: GPUs multiply zeros faster.
   */
  time(options: TimeOptions = {}): Timing {
    const repetitions = checkInteger('repetitions', options.repetitions ?? 50);
    const launches = checkInteger('launches', options.launches ?? 10);
    if (repetitions * launches > 1e6) {
      throw invalidValue('repetitions x launches', 'at most 1000000', repetitions * launches);
    }
    this.#fillOthers();
    this.#prepare();
    const times = this.call((native) => native.time(repetitions, launches));
    const summary = summarize([...times]);
    const { m, n, k } = this.options;
    return { ...summary, teraflops: (2 * m * n * k) / (summary.median * 1e6) };
  }

  /** Free the GPU's memory. Every other call throws from then on; closing again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.release();
  }

  /** @internal Values for weights that nobody set. */
  protected abstract setRandomWeights(values: Float32Array): void;

  /** @internal What has to be done before a product. */
  protected prepareWeights(): void {}

  /** @internal */
  protected requireWeights(): void {
    this.#checkOpen();
    if (this.#given.has(this.options.weights)) return;
    throw new RunError('This product has no weights yet: call setWeights() first');
  }

  /** @internal Check and copy all of an operand. */
  protected write(name: string, operand: NativeMatmulOperand, values: unknown): void {
    const length = this.#length(operand);
    if (!(values instanceof Float32Array) || values.length !== length) {
      throw invalidValue(name, `a Float32Array of length ${length}`, values);
    }
    if (this.options.type === 'int8') checkInt8(name, values);
    this.call((native) => native.write(operand, values));
    this.#given.add(operand);
  }

  /** @internal A native call: its errors are the machine's, as values were checked before. */
  protected call<T>(action: (native: NativeMatmul) => T): T {
    this.#checkOpen();
    try {
      return action(this.#native);
    } catch (error) {
      throw new RunError((error as Error).message);
    }
  }

  /** @internal All of an operand. */
  protected read(operand: NativeMatmulOperand): Float32Array {
    const values = new Float32Array(this.#length(operand));
    this.call((native) => native.read(operand, values));
    return values;
  }

  #checkOpen(): void {
    if (this.#closed) throw new RunError('This product was closed: make a new one');
  }

  #length(operand: NativeMatmulOperand): number {
    const { m, n, k, weights } = this.options;
    return { a: m * k, b: k * n, c: m * n, d: m * n, bias: weights === 'a' ? m : n }[operand];
  }

  #prepare(): void {
    this.prepareWeights();
    if (this.#searched) return;
    this.call((native) => native.search());
    this.#searched = true;
  }

  #fillOthers(): void {
    const { bias, beta, weights } = this.options;
    const operands: NativeMatmulOperand[] = ['a', 'b'];
    if (bias) operands.push('bias');
    if (beta !== 0) operands.push('c');
    for (const operand of operands) {
      if (this.#given.has(operand)) continue;
      const values = randomValues(this.#length(operand), this.options.type === 'int8');
      if (operand === weights) this.setRandomWeights(values);
      else this.write(operand, operand, values);
    }
  }
}

function checkInt8(name: string, values: Float32Array): void {
  const wrong = values.find((value) => !(Number.isInteger(value) && value >= -128 && value <= 127));
  if (wrong === undefined) return;
  throw invalidValue(`every value of ${name}`, 'an integer from -128 to 127 for int8', wrong);
}

/** Numbers from -1 to 1, or integers from -127 to 127. */
function randomValues(length: number, integers: boolean): Float32Array {
  const random = new Random(0);
  const values = new Float32Array(length);
  for (let i = 0; i < Math.min(length, randomPeriod); i++) {
    values[i] = integers ? random.integer(-127, 127) : random.uniform(-1, 1);
  }
  for (let filled = randomPeriod; filled < length; filled *= 2) {
    values.copyWithin(filled, 0, Math.min(filled, length - filled));
  }
  return values;
}
