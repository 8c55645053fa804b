/** What updates consist of as CUDA graphs: no launch may come in unnoticed. */
import { afterAll, describe, expect, test } from '@jest/globals';
import { Device } from '../../lib/device/index.js';
import type { Graph } from '../../lib/device/index.js';
import { Td3Agent } from '../../lib/td3/agent.js';
import type { Td3Options } from '../../lib/index.js';
import { randomSource } from '../device/reference.js';
import { testDevice } from '../device/support.js';

const devices: Device[] = [];
afterAll(() => devices.forEach((device) => device.close()));

/** The nodes of an update of the critics alone, and of one of all networks. */
function countNodes(options: Partial<Td3Options>): { critics: number; all: number } {
  const { precision = 'fp32', sparse = 'never' } = options;
  const device = new Device({ device: testDevice, precision, sparse });
  const graphs: Graph[] = [];
  const capture = device.capture.bind(device);
  device.capture = (calls) => {
    const graph = capture(calls);
    graphs.push(graph);
    return graph;
  };
  const [observationSize, actionSize] = [17, 6];
  const agent = new Td3Agent(
    {
      observationSize,
      actionSize,
      actionLow: Array(actionSize).fill(-1),
      actionHigh: Array(actionSize).fill(1),
      hiddenSizes: [32, 32],
      batchSize: 16,
      learningStarts: 0,
      bufferSize: 100,
      ...options,
    },
    device,
  );
  devices.push(device);
  observe(agent);
  for (let i = 0; i < 6; i++) agent.learn();
  const [, critics, all] = graphs.map((graph) => graph.nodes);
  return { critics: critics!, all: all! };
}

function observe(agent: Td3Agent): void {
  const { observationSize, actionSize } = agent.config;
  const random = randomSource(1);
  const vector = (length: number) => Array.from({ length }, () => 2 * random() - 1);
  for (let i = 0; i < 20; i++) {
    agent.observe({
      observation: vector(observationSize),
      action: vector(actionSize),
      reward: random(),
      nextObservation: vector(observationSize),
      terminated: false,
    });
  }
}

// The figures are those of docs/gpu.md. On a GPU the libraries' products may be several kernels.
(testDevice === 'cuda-emulated' ? describe : describe.skip)('nodes of an update', () => {
  test.each<[string, Partial<Td3Options>, { critics: number; all: number }]>([
    ['dense, fp32', {}, { critics: 21, all: 42 }],
    ['dense, tf32', { precision: 'tf32' }, { critics: 21, all: 42 }],
    ['dense, bf16', { precision: 'bf16' }, { critics: 24, all: 48 }],
    ['dense, fp32, normalised', { normalizeObservations: true }, { critics: 23, all: 44 }],
    ['dense, fp32, a batch of 512', { batchSize: 512 }, { critics: 22, all: 44 }],
    [
      '2:4, bf16, on sparse tensor cores',
      { precision: 'bf16', sparse: 'always', sparsity: '2:4' },
      { critics: 28, all: 52 },
    ],
  ])('%s', (_, options, nodes) => {
    expect(countNodes(options)).toEqual(nodes);
  });
});
