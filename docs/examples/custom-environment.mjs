// Train on a task of one's own, in well under a minute: node docs/examples/custom-environment.mjs
import { Td3Agent, evaluate, train } from 'rnm-td3';
import { PointMass } from './point-mass.mjs';

const env = new PointMass();
const { observationSize, actionSize, actionLow, actionHigh } = env;
const agent = new Td3Agent({
  observationSize,
  actionSize,
  actionLow,
  actionHigh,
  hiddenSizes: [128, 128],
  batchSize: 128,
  learningRate: 1e-3,
  learningStarts: 1_000,
  sparsity: '2:4', // of six inputs, 1:4 would leave a neuron only two
  threads: 1, // networks this small gain nothing from more
});

const untrained = await evaluate(agent, new PointMass(), { episodes: 20, seed: 1 });
console.log(`Untrained: ${describe(untrained)}`);

const result = await train({
  env,
  evalEnv: new PointMass(), // so that evaluations leave the training episode alone
  agent,
  steps: 40_000,
  evalInterval: 5_000,
  evalEpisodes: 20,
  onEvaluation: (record) => console.log(`Step ${record.step}: ${describe(record)}`),
});
console.log(`The policy, its learning curve and all figures are in ${result.folder}`);

/** An episode that ends before its 200 steps are over has brought the mass to rest on the target. */
function describe({ mean, lengths }) {
  const reached = lengths.filter((length) => length < 200).length;
  return `mean return ${mean.toFixed(1)}, target reached in ${reached} of ${lengths.length} episodes`;
}
