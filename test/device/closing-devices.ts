// `closing-devices.ts DEVICE`: opens, uses and closes devices while the garbage collector takes others
// that nobody closed, and objects of closed ones, in two workers too, of which one is terminated
// meanwhile. Prints "done" if the process has lived through it.
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { Device } from '../../lib/device/index.js';
import type { DeviceName } from '../../lib/device/index.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const device = process.argv[2] as DeviceName;
const rounds = 15;

function openAndUse(): Device {
  const opened = new Device({ device, threads: 2 });
  const mlp = opened.mlp({ sizes: [5, 20, 2], patterns: [{ n: 2, m: 4 }, null] });
  const replay = opened.replay({ capacity: 10, observationSize: 2, actionSize: 1 });
  replay.append(new Float32Array(7));
  const [x, y] = [opened.matrix(40, 5), opened.matrix(40, 2)];
  const graph = opened.capture(() => {
    mlp.forward(x, y, { keep: true });
    mlp.backward(y);
  });
  for (let i = 0; i < 3; i++) graph.run();
  return opened;
}

async function work(): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    openAndUse();
    const opened = openAndUse();
    if (round % 2 === 0) collectGarbage();
    opened.close();
    // Finalizers of native objects run between turns of the event loop.
    await new Promise(setImmediate);
    collectGarbage();
    parentPort?.postMessage(round);
  }
}

if (isMainThread) {
  // Hooks of the main thread are not theirs.
  const hooks = new URL('../support/typescript-hooks.mjs', import.meta.url).href;
  const code = `require('node:module').register('${hooks}'); import('${import.meta.url}');`;
  const start = () => new Worker(code, { eval: true, argv: [device] });
  const [whole, cut] = [start(), start()];
  await Promise.all([
    work(),
    once(cut, 'message').then(() => cut.terminate()),
    once(whole, 'exit'),
  ]);
  await work();
  console.log('done');
} else {
  await work();
}
