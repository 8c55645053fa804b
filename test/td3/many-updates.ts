// Acts, observes and learns 100,000 times and prints the process's resident memory, in bytes, at every
// tenth of the way as a JSON array. What JavaScript is about to free is not counted.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Random } from '../../lib/random.js';
import { Td3Agent } from '../../lib/td3/agent.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const [updates, observationSize, actionSize] = [100_000, 5, 2];
const agent = new Td3Agent({
  observationSize,
  actionSize,
  actionLow: -1,
  actionHigh: 1,
  sparsity: '1:4',
  hiddenSizes: [16, 16],
  batchSize: 8,
  bufferSize: 1_000,
  learningStarts: 8,
  threads: 1,
});
const random = new Random(0);
const draw = () => Float32Array.from({ length: observationSize }, () => random.uniform(-1, 1));

const resident: number[] = [];
let observation = draw();
for (let step = 0; agent.updates < updates; step++) {
  const action = agent.act(observation, { explore: true });
  const nextObservation = draw();
  const terminated = step % 50 === 49;
  agent.observe({
    observation,
    action,
    reward: random.uniform(-1, 1),
    nextObservation,
    terminated,
  });
  observation = nextObservation;
  if (!agent.ready) continue;
  agent.learn();
  if (agent.updates % 1_000 === 0) agent.metrics();
  if (agent.updates % (updates / 10) !== 0) continue;
  collectGarbage();
  resident.push(process.memoryUsage().rss);
}
agent.close();
console.log(JSON.stringify(resident));
