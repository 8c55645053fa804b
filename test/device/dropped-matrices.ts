// Makes matrices of 20 MB on the CPU, 100 in turn, and closes none of them. Prints how much memory the
// process had at most, in bytes.
import { Device } from '../../lib/device/index.js';

const device = new Device({ device: 'cpu', threads: 1 });
for (let i = 0; i < 100; i++) {
  const matrix = device.matrix(5_000, 1_000);
  device.fill(matrix, i);
  // Finalizers of native objects run between turns of the event loop.
  await new Promise(setImmediate);
}
console.log(1024 * process.resourceUsage().maxRSS);
