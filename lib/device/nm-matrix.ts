/** NmMatrix: row-wise N:M sparse weights as a data structure, for those who want it alone. */
import { checkInteger, invalidValue } from '../errors.js';
import { maxWidth } from './limits.js';
import { loadAddon } from './loader.js';
import { checkMaskShape } from './mask-shape.js';
import type { MaskShape } from './mask-shape.js';
import type { NativeNmMatrix } from './native.js';
import { allocating } from './native-error.js';

/** The transposed index: which values belong to each input. */
export interface TransposedIndex {
  /** [inputs + 1]: input i has entries [start[i], start[i + 1]). */
  start: Uint32Array;
  /** [values]: the output row of each entry, ascending within an input. */
  rows: Uint16Array;
  /** [values]: the entry that holds value k of `values`. */
  slots: Uint32Array;
}

/**
 * A weight matrix [outputs, inputs]. In each row every group of M consecutive inputs keeps its N
 * largest magnitudes active (ties go to the lower column; a last group shorter than M keeps
 * min(N, its size)), or the mask is transposable. Dormant weights keep their last value and may come
 * back at a mask update.
 */
export class NmMatrix {
  readonly outputs: number;
  readonly inputs: number;
  readonly #native: NativeNmMatrix;

  /**
   * Project and compress.
   *
   * @param weights row-major [outputs, inputs]
   * @param pattern 1 <= n <= m <= 32
   * @param options.maskShape default: row
   */
  constructor(
    weights: Float32Array,
    shape: { outputs: number; inputs: number },
    pattern: { n: number; m: number },
    options: { maskShape?: MaskShape } = {},
  ) {
    this.outputs = checkInteger('outputs', shape?.outputs, 1, maxWidth);
    this.inputs = checkInteger('inputs', shape?.inputs, 1, maxWidth);
    const n = checkInteger('n', pattern?.n);
    const m = checkInteger('m', pattern?.m, n);
    if (m > 32) throw invalidValue('m', 'at most 32', m);
    const { maskShape = 'row' } = options;
    checkMaskShape(maskShape, 'pattern', { n, m });
    this.#checkWeights(weights);
    const { addon } = loadAddon();
    this.#native = allocating(
      () => new addon.NmMatrix(weights, this.outputs, this.inputs, n, m, maskShape),
    );
  }

  /** Active weights, row by row in ascending column order. */
  get values(): Float32Array {
    return this.#native.values();
  }

  /** The column of each value. */
  get columns(): Uint16Array {
    return this.#native.columns();
  }

  /** The index from inputs to values that the data gradient uses. */
  transposedIndex(): TransposedIndex {
    return allocating(() => this.#native.transposed());
  }

  /** The dense masked matrix: zeros at dormant places. */
  materialize(): Float32Array {
    return this.#native.materialize();
  }

  /** The whole stored matrix, dormant weights included. */
  stored(): Float32Array {
    return this.#native.stored();
  }

  /** Replace all weights at the present mask. */
  assign(weights: Float32Array): void {
    this.#checkWeights(weights);
    this.#native.assign(weights);
  }

  /** Project the stored weights again. Returns the number of mask entries that changed. */
  updateMask(): number {
    return this.#native.updateMask();
  }

  /** Sparse architecture divergence: positions in which the two masks differ. */
  divergence(other: NmMatrix): number {
    if (!(other instanceof NmMatrix)) throw invalidValue('other', 'an NmMatrix', other);
    return this.#native.divergence(other.#native);
  }

  /** Bytes held for values, dormant weights and indices. */
  get bytes(): number {
    return this.#native.bytes();
  }

  #checkWeights(weights: Float32Array): void {
    const length = this.outputs * this.inputs;
    if (weights instanceof Float32Array && weights.length === length) return;
    throw invalidValue('weights', `a Float32Array of length ${length} (outputs x inputs)`, weights);
  }
}
