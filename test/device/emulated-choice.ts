// Puts batches through an ensemble on the emulated GPU and prints as JSON what it chose and computed.
// The argument is JSON: the device's options, the network's, and the batches' rows.
import { Device } from '../../lib/device/index.js';
import type { DeviceOptions, MlpOptions } from '../../lib/device/index.js';
import { randomFloats } from './reference.js';

interface Job {
  device: DeviceOptions;
  mlp: MlpOptions;
  rows: number;
  members?: { first: number; count: number };
  /** Backward too. */
  backward?: boolean;
}

const job = JSON.parse(process.argv[2]!) as Job;
const result: Record<string, unknown> = { choices: [] };
try {
  const device = new Device({ device: 'cuda-emulated', ...job.device });
  const mlp = device.mlp(job.mlp);
  const [inputs, outputs] = [job.mlp.sizes[0]!, job.mlp.sizes.at(-1)!];
  const held = mlp.bytes;
  const members = job.members ?? { first: 0, count: job.mlp.members ?? 1 };
  const input = device.matrix(job.rows, inputs);
  const output = device.matrix(job.rows, outputs * members.count);
  input.set(randomFloats(job.rows * inputs, 1));
  device.fill(output, NaN);
  try {
    mlp.forward(input, output, { keep: true, members });
  } catch (error) {
    result['error'] = (error as Error).message;
    mlp.forward(input, output, { keep: true, members });
  }
  result['output'] = [...output.get()];
  if (job.backward === true) {
    const inputGradient = device.matrix(job.rows, inputs);
    output.set(randomFloats(job.rows * outputs * members.count, 2));
    device.fill(inputGradient, NaN);
    mlp.backward(output, { members, inputGradient });
    result['gradient'] = [...inputGradient.get()];
    result['weightGradient'] = [...mlp.read(1, 'weightGradient', members.first)];
  }
  result['grew'] = mlp.bytes > held;
  result['choices'] = device.sparseChoices();
} catch (error) {
  result['error'] = (error as Error).message;
}
console.log(JSON.stringify(result));
