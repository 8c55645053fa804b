// Opens, uses and closes devices, agents and single objects on an emulated GPU of little memory, which
// RNM_EMULATOR_FAIL=memory:BYTES sets. Prints what is free before and after each as JSON.
import { Device } from '../../lib/device/index.js';
import type { DeviceOptions } from '../../lib/device/index.js';
import { Td3Agent } from '../../lib/td3/agent.js';

const emulated = { device: 'cuda-emulated' } as const;
const rowBytes = 64;

/** Bytes of the largest matrix that there is room for. */
function freeBytes(device: Device): number {
  let [fits, tooMany] = [0, 2 ** 21];
  while (tooMany - fits > 1) {
    const rows = Math.floor((fits + tooMany) / 2);
    try {
      device.matrix(rows, rowBytes / 4).close();
      fits = rows;
    } catch (error) {
      if (!/Not enough memory on the GPU/.test(String(error))) throw error;
      tooMany = rows;
    }
  }
  return fits * rowBytes;
}

/** A network with everything that it may hold, on a device with graphs and a replay buffer. */
function use(device: Device): void {
  const patterns = [null, { n: 2, m: 4 }, null];
  const mlp = device.mlp({ sizes: [6, 64, 64, 2], patterns });
  const replay = device.replay({ capacity: 1000, observationSize: 3, actionSize: 1 });
  replay.append(new Float32Array(9).fill(1));
  const [x, y] = [device.matrix(16, 6), device.matrix(16, 2)];
  const graph = device.capture(() => {
    mlp.forward(x, y, { keep: true });
    mlp.backward(y);
    mlp.adam({ learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
  });
  for (let i = 0; i < 3; i++) graph.run();
  mlp.updateMasks();
}

function agentOn(device: Device): Td3Agent {
  const agent = new Td3Agent(
    {
      observationSize: 3,
      actionSize: 1,
      actionLow: -1,
      actionHigh: 1,
      hiddenSizes: [32, 32],
      sparsity: '2:4',
      batchSize: 16,
      bufferSize: 5000,
      learningStarts: 0,
    },
    device,
  );
  const observation = [1, 2, 3];
  for (let step = 0; step < 12; step++) {
    const action = agent.act(observation, { explore: true });
    agent.observe({
      observation,
      action,
      reward: 1,
      nextObservation: observation,
      terminated: false,
    });
    agent.learn();
  }
  return agent;
}

const watch = new Device(emulated);
const free = () => freeBytes(watch);
const result: Record<string, unknown> = {};

const kinds: DeviceOptions[] = [
  { precision: 'fp32' },
  { precision: 'tf32', sparse: 'never' },
  { precision: 'bf16', sparse: 'always', dataGradient: 'double-pruned' },
];
result['devices'] = kinds.map((options) => {
  const before = free();
  const device = new Device({ ...emulated, ...options });
  use(device);
  const meanwhile = free();
  device.close();
  device.close();
  return { before, meanwhile, after: free() };
});

// What the device shares among its objects stays: room for intermediate results.
const shared = new Device(emulated);
agentOn(shared).close();
const before = free();
const agent = agentOn(shared);
const meanwhile = free();
agent.close();
result['agent'] = { before, meanwhile, after: free() };
shared.close();

// Any two are more than there is, and JavaScript still holds them all.
const held: Device[] = [];
for (let round = 0; round < 6; round++) {
  const device = new Device(emulated);
  held.push(device);
  use(device);
  device.close();
}
result['rounds'] = held.filter(({ closed }) => closed).length;
console.log(JSON.stringify(result));
