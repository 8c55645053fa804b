// A 2:4 sparse product beside the dense one, timed on a GPU: node docs/examples/time-sparse-matmul.mjs
import { DenseMatmul, SparseMatmul, available } from 'rnm-td3/cusparselt';

const { sparse: usable, gpu, problem } = available();
if (!usable) {
  console.error(`There is nothing to time on this machine. ${problem}`);
  process.exit(1);
}
console.log(gpu);
for (const size of [1024, 2048, 4096, 8192]) {
  const options = { m: size, n: size, k: size, type: 'bf16', transposeB: true, search: true };
  const [sparse, dense] = [new SparseMatmul(options), new DenseMatmul(options)];
  const [a, b] = [sparse.time().median, dense.time().median];
  console.log(
    `${size}: sparse ${a.toFixed(1)} µs, dense ${b.toFixed(1)} µs: ${(b / a).toFixed(2)} x`,
  );
  sparse.close();
  dense.close();
}
