// Makes and runs a product of either kind on the emulated GPU and prints what came of it as JSON.
// RNM_EMULATOR_FAIL says what goes wrong on the way.
import { available, DenseMatmul, SparseMatmul, versions } from '../../lib/cusparselt/index.js';

const options = { m: 32, n: 16, k: 64, device: 'cuda-emulated' } as const;
const result: Record<string, unknown> = {
  available: available(options),
  versions: versions(options),
};
for (const kind of [SparseMatmul, DenseMatmul]) {
  try {
    const matmul = new kind(options);
    matmul.setWeights(new Float32Array(32 * 64));
    matmul.run(new Float32Array(64 * 16));
    matmul.close();
    result[kind.name] = 'done';
  } catch (error) {
    result[kind.name] = `${(error as Error).name}: ${(error as Error).message}`;
  }
}
console.log(JSON.stringify(result));
