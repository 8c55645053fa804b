/** Products with 2:4 sparse weights by cuSPARSELt. */
import { invalidValue } from '../errors.js';
import { Matmul } from './matmul.js';
import type { MatmulOptions } from './options.js';

const prunings = ['strip', 'tile'] as const;

/**
 * Which weights are kept: "strip" the two largest magnitudes of every four along k; "tile" the
 * largest sum of magnitudes in every 4 x 4, two of each row and column. Under tf32 one of every two.
 */
export type Pruning = (typeof prunings)[number];

function checkPruning(how: unknown): void {
  if (prunings.includes(how as Pruning)) return;
  throw invalidValue('prune', `one of "${prunings.join('", "')}"`, how);
}

/**
 * A product with 2:4 sparse weights (1:2 under tf32) by cuSPARSELt: the tensor cores skip the zeros.
 *
 * The linear layer y = relu(x W^T + b) of `outputs` neurons on `rows` samples, with x, W and y row by
 * row, is
 *
 * ```js
 * const layer = new SparseMatmul({
 *   m: outputs, n: rows, k: inputs,
 *   transposeB: true, orderD: 'col', bias: true, activation: 'relu',
 * });
 * layer.setWeights(w, { prune: 'strip' });
 * layer.setBias(b);
 * const y = layer.run(x);
 * layer.close();
 * ```
 *
 * Sizes have to be multiples of 16, with int8 of 32; the one that the weights do not have (n, or m with
 * `weights: "b"`) of 8, with tf32 of 4 and with int8 of 16. Close it when it is no longer needed: the GPU's
 * memory is not the garbage collector's concern.
 *
 * With tf32 values of the dense operand along k have to be neighbours in memory: `transposeB: true` where it
 * is B and lies row by row.
 */
export class SparseMatmul extends Matmul {
  #compressed = false;

  /**
   * @throws InvalidValueError for what cuSPARSELt has not
   * @throws RunError that says what is missing where there is no GPU or library
   */
  constructor(options: MatmulOptions) {
    super(options, true);
  }

  /**
   * Set all of the operand that holds the weights, as `transpose` and `order` say it is given.
   *
   * @param options.prune prune them as `prune()` does; without it they have to be sparse as they are
   */
  setWeights(values: Float32Array, options: { prune?: Pruning } = {}): void {
    if (options.prune !== undefined) checkPruning(options.prune);
    this.#compressed = false;
    this.write('weights', this.options.weights, values);
    if (options.prune !== undefined) this.prune(options.prune);
  }

  /** Set the smaller weights to zero, with cuSPARSELt's own pruning. Default: "strip". */
  prune(how: Pruning = 'strip'): void {
    checkPruning(how);
    this.requireWeights();
    this.#compressed = false;
    this.call((native) => native.prune(how));
  }

  /** Whether no group of weights has more nonzero values than the tensor cores take. */
  isPruned(): boolean {
    this.requireWeights();
    return this.call((native) => native.pruned());
  }

  /**
   * Bring the weights into the form that products read. `run` and `time` do it where it is due.
   *
   * @throws InvalidValueError for weights that are not sparse
   */
  compress(): void {
    if (!this.isPruned()) {
      const group = this.options.type === 'tf32' ? 'one of every two' : 'two of every four';
      throw invalidValue(
        'weights',
        `zero but for ${group} along k`,
        this.readWeights(),
        'Prune them: prune(), or setWeights(values, { prune: "strip" })',
      );
    }
    this.call((native) => native.compress());
    this.#compressed = true;
  }

  /** @internal */
  protected override prepareWeights(): void {
    if (!this.#compressed) this.compress();
  }

  /** @internal */
  protected override setRandomWeights(values: Float32Array): void {
    this.setWeights(values, { prune: 'strip' });
  }
}
