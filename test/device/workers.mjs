/**
 * `workers.mjs finish`: four workers train at the same time; prints a checksum of each one's actor.
 * `workers.mjs terminate`: three rounds of four workers that train without end and are terminated
 * meanwhile; prints how many updates each had done. The main thread trains as well.
 *
 * It uses the compiled package, as programs do, and runs under the thread sanitizer too.
 */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Td3Agent } from '../../dist/index.js';

/** An agent with some experience, and every buffer that an update touches in use. */
function makeAgent() {
  const agent = new Td3Agent({
    observationSize: 9,
    actionSize: 3,
    actionLow: -1,
    actionHigh: 1,
    hiddenSizes: [64, 64],
    batchSize: 64,
    bufferSize: 1000,
    sparsity: '1:4',
    maskInterval: 3,
    seed: 5,
    threads: 2,
    learningStarts: 0,
  });
  for (let i = 0; i < 200; i++) {
    const observation = Array.from({ length: 9 }, (_, j) => Math.sin(i + j));
    const action = [Math.sin(i), Math.cos(i), 0];
    const nextObservation = observation.map((x) => -x);
    agent.observe({ observation, action, reward: Math.cos(i), nextObservation, terminated: false });
  }
  return agent;
}

function checksum(agent) {
  const action = agent.act(new Float32Array(9).fill(0.5));
  return action.reduce((sum, x) => sum * 7 + x, 1);
}

/** What a worker does: `updates` updates, reported one by one when there is no end to them. */
function work({ updates }) {
  const agent = makeAgent();
  for (let i = 1; i <= updates; i++) {
    agent.learn();
    if (updates === Infinity && i % 5 === 0) parentPort.postMessage(i);
  }
  parentPort.postMessage(checksum(agent));
  agent.device.close();
}

function startWorker(updates) {
  return new Worker(new URL(import.meta.url), { workerData: { updates } });
}

async function finish() {
  const workers = Array.from({ length: 4 }, () => startWorker(30));
  const results = await Promise.all(workers.map((worker) => once(worker, 'message')));
  await Promise.all(workers.map((worker) => worker.terminate()));
  return results.flat();
}

async function terminate() {
  const agent = makeAgent();
  const done = [];
  for (let round = 0; round < 3; round++) {
    const workers = Array.from({ length: 4 }, () => startWorker(Infinity));
    const counts = workers.map(() => 0);
    workers.forEach((worker, i) => worker.on('message', (count) => (counts[i] = count)));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    for (let i = 0; i < 20; i++) agent.learn();
    await Promise.all(workers.map((worker) => worker.terminate()));
    agent.learn();
    done.push(...counts);
  }
  return done;
}

if (!isMainThread) work(workerData);
else console.log(JSON.stringify(await (process.argv[2] === 'terminate' ? terminate() : finish())));
