// Trains a network and its target on the emulated GPU, through sparse tensor cores both ways, and prints what
// became of them. The argument is JSON: sizes, pattern and how data gradients are computed.
import { Device } from '../../lib/device/index.js';
import type { DeviceOptions, MlpOptions } from '../../lib/device/index.js';
import { randomFloats } from './reference.js';

const {
  device: how,
  sizes,
  n,
  m,
} = JSON.parse(process.argv[2]!) as {
  device: DeviceOptions;
  sizes: number[];
  n: number;
  m: number;
};
const device = new Device({
  device: 'cuda-emulated',
  precision: 'bf16',
  sparse: 'always',
  ...how,
});
const maskShape = how.dataGradient === 'transposable' ? 'transposable' : 'row';
const patterns = sizes.slice(1).map(() => ({ n, m }));
const options: MlpOptions = { sizes, patterns, members: 2, maskShape, seed: 1 };
const [online, slow] = [device.mlp(options), device.mlp({ ...options, role: 'target' })];
const [rows, outputs] = [16, 2 * sizes.at(-1)!];
const [x, y, dy] = [
  device.matrix(rows, sizes[0]!),
  device.matrix(rows, outputs),
  device.matrix(rows, outputs),
];
x.set(randomFloats(rows * sizes[0]!, 1));
dy.set(randomFloats(rows * outputs, 2));
const targets: number[][] = [];
const update = device.capture(() => {
  online.forward(x, y, { keep: true });
  online.backward(dy);
  online.adam({ learningRate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-6 });
  slow.polyak(online, 0.1);
  slow.forward(x, y);
});
for (let step = 0; step < 9; ++step) {
  update.run();
  targets.push([...y.get()]);
  if (step % 3 === 2) {
    online.updateMasks();
    slow.updateMasks();
  }
}
const weights = sizes.slice(1).map((_, l) => [...online.read(l, 'weight', 1)]);
const sparse = device.sparseChoices().filter(({ chosen }) => chosen === 'sparse').length;
console.log(JSON.stringify({ targets, weights, sparse, bytes: online.bytes + slow.bytes }));
