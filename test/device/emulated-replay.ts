// Makes a replay buffer on the emulated GPU, and another one after it, whether there was room for the
// first or not. Prints the first one's error and how many rows the second holds. RNM_EMULATOR_FAIL says
// which allocation fails, and what there is.
import { Device } from '../../lib/device/index.js';

const device = new Device({ device: 'cuda-emulated' });
const make = () => device.replay({ capacity: 1000, observationSize: 100, actionSize: 1 });
let error = '';
try {
  make().close();
} catch (thrown) {
  error = (thrown as Error).message;
}
const replay = make();
replay.append(new Float32Array(2 * replay.rowLength));
console.log(JSON.stringify({ error, rows: replay.size }));
