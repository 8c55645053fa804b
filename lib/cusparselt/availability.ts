/** What this machine has of what the products need. */
import { loadAddon } from '../device/index.js';
import type { CudaReport } from '../device/index.js';
import { checkDevice } from './options.js';
import type { MatmulOptions } from './options.js';

export interface Availability {
  /** Whether `SparseMatmul` can be used: there are a GPU that can do it, cuSPARSELt and cuBLASLt. */
  sparse: boolean;
  /** Whether `DenseMatmul` can be used: there are such a GPU and cuBLASLt. */
  dense: boolean;
  /** The GPU and its driver, one line; empty if there is none. */
  gpu: string;
  /** What is missing, and what helps; empty if nothing is. The words are those of `rnm-td3 info`. */
  problem: string;
}

/** The report, or why this build has none. */
function report(device: MatmulOptions['device']): CudaReport | { absent: string } {
  const emulated = checkDevice(device) === 'cuda-emulated';
  const { addon } = loadAddon();
  try {
    return addon.cudaReport(emulated);
  } catch (error) {
    return { absent: (error as Error).message };
  }
}

/**
 * Whether products can be computed here, and if not what is missing.
 *
 * @param options.device "cuda", or "cuda-emulated" in tests. Default: "cuda"
 * @throws RunError if the addon itself cannot be loaded
 */
export function available(options: Pick<MatmulOptions, 'device'> = {}): Availability {
  const found = report(options.device);
  if ('absent' in found) {
    const problem = `CUDA is not part of this build: ${found.absent}`;
    return { sparse: false, dense: false, gpu: '', problem };
  }
  const dense = found.status === 'usable';
  const library = found.libraries.find(({ name }) => name === 'cuSPARSELt');
  const missing = library?.problem ?? '';
  return {
    sparse: dense && missing === '',
    dense,
    gpu: found.description,
    problem: dense ? missing : found.problem,
  };
}

/**
 * Versions of the libraries as they were found, e.g. `{ cusparselt: '0.8.1', cublaslt: '13.1.0' }`;
 * null for one that cannot be used.
 *
 * @param options.device "cuda", or "cuda-emulated" in tests. Default: "cuda"
 */
export function versions(options: Pick<MatmulOptions, 'device'> = {}): {
  cusparselt: string | null;
  cublaslt: string | null;
} {
  const found = report(options.device);
  const libraries = 'absent' in found ? [] : found.libraries;
  const version = (title: string) => libraries.find(({ name }) => name === title)?.version || null;
  return { cusparselt: version('cuSPARSELt'), cublaslt: version('cuBLASLt') };
}
