/**
 * `npm run test:faults`: a training run is killed at every change that it makes to its files, its disk is full
 * at every write, takes parts of writes, and loses folders; each time the run has to come to the same end, to
 * the bit, as one that nothing happened to. Prints how often each was tried; the exit code is 0 if all held.
 *
 *   npm run test:faults -- --every 7      # every seventh call only
 */
import { mkdtempSync, rmSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { RunFolder } from '../../lib/train/index.js';
import { deathAt, fullDisk, noFault, shortWrites, withFaults } from './file-system.js';
import type { Fault } from './file-system.js';
import { checkpointInterval, finishRun, newAgent, printed, smallRun } from './small-run.js';

const { values } = parseArgs({ options: { every: { type: 'string', default: '1' } } });
const every = Math.max(1, Number(values.every));

// In memory if it can be: the calls are what counts, and a disk takes its time for each.
const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'rnm-td3-faults-'));
const folders = { made: 0 };
const newFolder = () => join(root, String(folders.made++));

type Print = ReturnType<typeof printed>;

const failures: string[] = [];
const counts = new Map<string, number>();

/** The run that nothing happens to, and how many calls it makes. */
async function untouched(): Promise<{ print: Print; calls: number }> {
  const [out, agent] = [newFolder(), newAgent()];
  const calls = await withFaults(noFault, () => smallRun(agent, { out }));
  const print = printed(out, agent);
  agent.close();
  return { print, calls };
}

async function check(what: string, label: string, task: () => Promise<void>): Promise<void> {
  counts.set(what, (counts.get(what) ?? 0) + 1);
  try {
    await task();
  } catch (error) {
    failures.push(`${what}, ${label}: ${(error as Error).message}`);
  }
}

function same(found: Print, expected: Print): void {
  for (const [what, value] of Object.entries(expected)) {
    if (found[what] === value) continue;
    throw new Error(`${what} is ${found[what]} instead of ${value}`);
  }
}

/** The process dies at a call; a new one goes on. */
async function dieAndGoOn(at: number, how: 'before' | 'half' | 'after', print: Print) {
  const [out, first] = [newFolder(), newAgent()];
  let died = Infinity;
  const fault = deathAt(at, how, () => (died = first.steps));
  await withFaults(fault, () => smallRun(first, { out }).catch(() => {}));
  first.close();
  const agent = newAgent();
  const from = await finishRun(out, agent);
  if (died - from > checkpointInterval) {
    throw new Error(`died at step ${died}, and went on from step ${from}`);
  }
  same(printed(out, agent), print);
  agent.close();
  rmSync(out, { recursive: true, force: true });
}

/** The disk takes nothing for some calls; the run waits for nobody and comes to the same end. */
async function fillAndGoOn(fault: Fault, print: Print) {
  const [out, agent] = [newFolder(), newAgent()];
  let failed = '';
  await withFaults(fault, async () => {
    await smallRun(agent, { out }, { diskPatience: 5 }).catch((error: unknown) => {
      failed = (error as Error).message;
    });
  });
  // A disk that is full before the first step is told at once, and nothing is lost.
  const isAtTheStart = failed !== '' && agent.steps === 0;
  if (failed !== '' && !isAtTheStart) throw new Error(`ended at step ${agent.steps}: ${failed}`);
  if (failed === '') same(printed(out, agent), print);
  agent.close();
  rmSync(out, { recursive: true, force: true });
}

/** The disk stays full: the run ends with an error that is true, and another one goes on once there is room. */
async function fillForGood(from: number, print: Print) {
  const [out, first] = [newFolder(), newAgent()];
  let message = '';
  await withFaults(fullDisk(from, Infinity), () =>
    smallRun(first, { out }).catch((error: unknown) => (message = (error as Error).message)),
  );
  first.close();
  const kept = /The last good checkpoint \(step (\d+)\) is kept at/.exec(message)?.[1];
  if (
    kept !== undefined &&
    RunFolder.open(out).readCheckpoint().checkpoint.steps !== Number(kept)
  ) {
    throw new Error(`says that step ${kept} is kept`);
  }
  const agent = newAgent();
  await finishRun(out, agent);
  same(printed(out, agent), print);
  agent.close();
  rmSync(out, { recursive: true, force: true });
}

/** Something of the folder is gone in mid-run: what the run leaves can be gone on with. */
async function removeAndGoOn(what: string, at: number) {
  const [out, agent] = [newFolder(), newAgent()];
  const told: string[] = [];
  const observe = agent.observe.bind(agent);
  agent.observe = (transition) => {
    if (agent.steps === at) rmSync(join(out, what), { recursive: true, force: true });
    observe(transition);
  };
  await smallRun(agent, { out }, { onNotice: (text) => told.push(text) });
  const next = newAgent();
  await smallRun(next, { resume: out }, { steps: 80 });
  if (what !== 'replay' && told.length === 0) throw new Error('nothing was said');
  agent.close();
  next.close();
  rmSync(out, { recursive: true, force: true });
}

const { print, calls } = await untouched();
console.log(`${calls} changes to files in a run`);
for (let at = 0; at < calls; at += every) {
  for (const how of ['before', 'half', 'after'] as const) {
    await check('killed', `${how} call ${at}`, () => dieAndGoOn(at, how, print));
  }
  for (const length of [1, 9]) {
    const label = `${length} from call ${at} on`;
    await check('disk full for a while', label, () => fillAndGoOn(fullDisk(at, length), print));
  }
  await check('disk full for good', `from call ${at} on`, () => fillForGood(at, print));
}
for (const most of [1, 7, 1000]) {
  await check('short writes', `${most} bytes`, () => fillAndGoOn(shortWrites(most), print));
}
for (const what of ['checkpoints', 'replay', 'tb', 'metrics.jsonl', '.']) {
  for (const at of [1, 13, 30, 47]) {
    await check('removed', `${what} at step ${at}`, () => removeAndGoOn(what, at));
  }
}
rmSync(root, { recursive: true, force: true });

for (const [what, count] of counts) console.log(`${what.padEnd(24)}${count} times`);
for (const failure of failures.slice(0, 20)) console.error(failure.slice(0, 1500));
console.log(`${failures.length} of them failed`);
process.exitCode = failures.length === 0 ? 0 : 1;
