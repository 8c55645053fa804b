/** Dense products by cuBLASLt. */
import { Matmul } from './matmul.js';
import type { MatmulOptions } from './options.js';

/**
 * A dense product by cuBLASLt: what a sparse one has to beat. It takes the options of `SparseMatmul`,
 * sizes of any kind, and besides fp32 and GELU.
 *
 * Close it when it is no longer needed: the GPU's memory is not the garbage collector's concern.
 */
export class DenseMatmul extends Matmul {
  /**
   * @throws InvalidValueError for what cuBLASLt has not
   * @throws RunError that says what is missing where there is no GPU or library
   */
  constructor(options: MatmulOptions) {
    super(options, false);
  }

  /** Set all of the operand that holds the weights, as `transpose` and `order` say it is given. */
  setWeights(values: Float32Array): void {
    this.write('weights', this.options.weights, values);
  }

  /** @internal */
  protected override setRandomWeights(values: Float32Array): void {
    this.setWeights(values);
  }
}
