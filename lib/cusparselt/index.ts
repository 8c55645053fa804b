/**
 * rnm-td3/cusparselt: matrix products with 2:4 sparse operands by NVIDIA's cuSPARSELt, and dense
 * ones by cuBLASLt to compare with.
 *
 * ```js
 * import { DenseMatmul, SparseMatmul } from 'rnm-td3/cusparselt';
 *
 * const options = { m: 4096, n: 4096, k: 4096, type: 'bf16', search: true };
 * const [sparse, dense] = [new SparseMatmul(options), new DenseMatmul(options)];
 * console.log(`${sparse.time().median} µs sparse, ${dense.time().median} µs dense`);
 * ```
 */
export { InvalidValueError, RunError } from '../errors.js';
export { available, versions } from './availability.js';
export type { Availability } from './availability.js';
export { DenseMatmul } from './dense-matmul.js';
export type { MatmulInfo, TimeOptions, Timing } from './matmul.js';
export { matmulTypes } from './options.js';
export type { MatmulOptions, MatmulType, Order, ResolvedOptions } from './options.js';
export { SparseMatmul } from './sparse-matmul.js';
export type { Pruning } from './sparse-matmul.js';
