// Train on a task of one's own: node docs/examples/custom-environment.mjs
import { Td3Agent, train } from 'rnm-td3';
import { PointMass } from './point-mass.mjs';

const env = new PointMass();
const agent = new Td3Agent({
  observationSize: env.observationSize,
  actionSize: env.actionSize,
  actionLow: env.actionLow,
  actionHigh: env.actionHigh,
  hiddenSizes: [64, 64],
  sparsity: '1:4',
  seed: 0,
});

await train({
  env,
  evalEnv: new PointMass(),
  agent,
  steps: 20_000,
  evalInterval: 2_000,
  out: 'runs/point-mass',
});
