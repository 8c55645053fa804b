// Opens a device with as many threads as its argument says; prints what came of it.
import { Device } from '../../lib/device/index.js';

try {
  const device = new Device({ device: 'cpu', threads: Number(process.argv[2]) });
  const matrix = device.matrix(100, 1);
  device.fillNormal(matrix, 1, 1);
  console.log(`${device.info.threads} threads`);
  device.close();
} catch (error) {
  console.log(`${(error as Error).name}: ${(error as Error).message}`);
}
