/**
 * How much time a checkpoint takes of a run whose replay buffer is full, at the default interval: rows that are
 * new since the last one, and the agent. Both sides are measured in this process, in turns.
 *
 *   node bench/checkpoint.mjs [task] [transitions] [rounds]
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makeEnv, Td3Agent, writeFileAtomic } from '../dist/index.js';
import { checkpointPieces } from '../dist/train/checkpoint.js';
import { ReplaySegments } from '../dist/train/replay-segments.js';

const [task = 'HalfCheetah-v5', transitions = '1000000', rounds = '5'] = process.argv.slice(2);
const capacity = Number(transitions);
const interval = 10_000;
// A disk, where /tmp may be memory.
const folder = mkdtempSync(join(process.cwd(), '.checkpoint-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

const env = await makeEnv(task);
const { observationSize, actionSize, actionLow, actionHigh } = env;
const spaces = { observationSize, actionSize, actionLow, actionHigh };
const agent = new Td3Agent({ ...spaces, bufferSize: capacity, learningStarts: 256, threads: 1 });
const segments = new ReplaySegments(join(folder, 'replay'));

let observation = env.reset({ seed: 0 });
function step() {
  const action = agent.act(observation, { explore: true });
  const { observation: nextObservation, reward, terminated, truncated } = env.step(action);
  agent.observe({ observation, action, reward, nextObservation, terminated, truncated });
  observation = terminated || truncated ? env.reset() : nextObservation;
}

/** Milliseconds that `work` takes. */
function timed(work) {
  const before = performance.now();
  work();
  return performance.now() - before;
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const table = [];

for (let i = 0; i < 1000; i++) step();
const rows = agent.replay.read(0, 1000);
while (agent.replay.added < capacity) agent.replay.append(rows);
const whole = timed(() => segments.save(agent.replay));

for (let round = 0; round < Number(rounds); round++) {
  // As many rows as an interval brings, without waiting for them.
  for (let i = 0; i < interval; i += 1000) agent.replay.append(rows);
  const save = timed(() => segments.save(agent.replay));
  const write = timed(() => writeFileAtomic(join(folder, 'latest'), checkpointPieces(agent)));
  segments.forgetBefore(agent.replay.added - agent.replay.size);
  const some = 300;
  const training = timed(() => {
    for (let i = 0; i < some; i++) {
      step();
      agent.learn();
    }
  });
  table.push({ save, write, training: (training / some) * interval });
}

const bytes = readdirSync(join(folder, 'replay'))
  .map((name) => statSync(join(folder, 'replay', name)).size)
  .reduce((sum, size) => sum + size, 0);
const show = (ms) => `${ms.toFixed(0)} ms`;
const of = (name) => median(table.map((each) => each[name]));
const share = table.map(({ save, write, training }) => (100 * (save + write)) / training);
console.log(`${task}, ${capacity} transitions, ${(bytes / 1e9).toFixed(2)} GB on disk`);
console.log(`all rows at once ${show(whole)}`);
console.log(`rows of ${interval} steps ${show(of('save'))}, the agent ${show(of('write'))}`);
console.log(`${interval} steps of training on one thread, 1:4: ${show(of('training'))}`);
console.log(
  `a checkpoint takes ${median(share).toFixed(2)}% of them ` +
    `(${Math.min(...share).toFixed(2)} to ${Math.max(...share).toFixed(2)}%)`,
);
agent.close();
env.close();
