// Has two agents on the emulated GPU learn from the same transitions, one by graphs and one by single
// calls, which also put batches through two policies at a time, and prints hashes of what became of each
// as JSON. The argument is JSON: options of the devices and
// of the agents.
import { createHash } from 'node:crypto';
import { Device } from '../../lib/device/index.js';
import type { DeviceOptions, Graph } from '../../lib/device/index.js';
import type { Td3Options } from '../../lib/index.js';
import { Td3Agent } from '../../lib/td3/agent.js';
import { randomFloats } from '../device/reference.js';

const [observationSize, actionSize, updates] = [5, 3, 6];
const job = JSON.parse(process.argv[2]!) as { device: DeviceOptions; agent: Partial<Td3Options> };
const options: Td3Options = {
  observationSize,
  actionSize,
  actionLow: -1,
  actionHigh: 1,
  hiddenSizes: [24, 17],
  batchSize: 19,
  bufferSize: 50,
  learningStarts: 0,
  maskInterval: 3,
  ...job.agent,
};

/** Actions of two policies that are computed together and keep nothing. */
function actTogether(device: Device): Float32Array[] {
  const outputRange = { low: new Float32Array(3).fill(-1), high: new Float32Array(3).fill(2) };
  const policies = [1, 2].map((seed) => {
    const mlp = device.mlp({ sizes: [5, 31, 26, 22, 3], outputRange, seed });
    const [x, y] = [device.matrix(21, 5), device.matrix(21, 3)];
    x.set(randomFloats(21 * 5, seed));
    return { y, act: () => mlp.forward(x, y) };
  });
  const [first, second] = policies.map(({ act }) => act) as [() => void, () => void];
  const graph = device.capture(() => device.together(first, second));
  for (let i = 0; i < 3; i++) {
    for (const { y } of policies) device.fill(y, NaN);
    graph.run();
  }
  return policies.map(({ y }) => y.get());
}

function learn(device: Device): string {
  const agent = new Td3Agent(options, device);
  for (let step = 0; step < 30 + updates; step++) {
    const values = randomFloats(2 * observationSize + actionSize + 1, step);
    agent.observe({
      observation: values.subarray(0, observationSize),
      nextObservation: values.subarray(observationSize, 2 * observationSize),
      action: values.subarray(2 * observationSize, -1),
      reward: values.at(-1)!,
      terminated: step % 7 === 6,
    });
    if (step >= 30) agent.learn();
  }
  const hash = createHash('sha256');
  for (const actions of actTogether(device)) hash.update(actions);
  for (const [name, tensor] of Object.entries(agent.state().tensors)) {
    hash.update(name).update(tensor.data);
  }
  agent.close();
  device.close();
  return hash.digest('hex');
}

const open = () => new Device({ ...job.device, device: 'cuda-emulated' });
const unrecorded = open();
unrecorded.capture = (calls) => ({ run: calls, close: () => {} }) as unknown as Graph;
console.log(JSON.stringify({ graphs: learn(open()), calls: learn(unrecorded) }));
