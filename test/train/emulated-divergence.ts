// Trains in a folder and lets a weight of a hidden layer become NaN on the way; prints as JSON how the
// run ended, and the agent's loss then: `emulated-divergence.ts <out> <device>`.
import { Td3Agent } from '../../lib/td3/agent.js';
import { train } from '../../lib/train/index.js';
import { PointEnvironment } from '../support/point-environment.js';

const [out = '', device = ''] = process.argv.slice(2);

/** One that loses a weight in the middle of training. */
class FailingAgent extends Td3Agent {
  override learn(): void {
    super.learn();
    if (this.updates !== 25) return;
    const weight = this.networks.critics.read(1, 'weight', 1);
    this.networks.critics.write(1, 'weight', weight.with(5, NaN), 1);
  }
}

const env = new PointEnvironment();
const { observationSize, actionSize, actionLow, actionHigh } = env;
const agent = new FailingAgent({
  observationSize,
  actionSize,
  actionLow,
  actionHigh,
  hiddenSizes: [16, 16],
  sparsity: '2:4',
  batchSize: 16,
  bufferSize: 500,
  learningStarts: 20,
  maskInterval: 10,
  device: device as 'cpu' | 'cuda-emulated',
});
const result: Record<string, unknown> = {};
try {
  await train({
    env,
    agent,
    steps: 100,
    logInterval: 10,
    checkpointInterval: 5,
    evalInterval: 1000,
    out,
  });
} catch (error) {
  result['error'] = `${(error as Error).name}: ${(error as Error).message}`;
}
result['loss'] = String(agent.metrics()['criticLoss']);
console.log(JSON.stringify(result));
