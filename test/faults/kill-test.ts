/**
 * `npm run test:kills`: training runs of the command line are killed by SIGKILL at random moments and resumed
 * until they are done, and have to come to the same weights, replay buffer and evaluations as runs that were
 * left alone: two tasks, each alone, with `--envs 2` and with `--overlap`. Runs `dist`.
 *
 *   npm run test:kills -- --kills 100 --seed 1
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Random } from '../../lib/random.js';
import { RunFolder } from '../../lib/train/index.js';
import type { EvaluationRecord, ReplayRows, SafeTensor } from '../../lib/train/index.js';
import { ReplaySegments } from '../../lib/train/replay-segments.js';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } },
});
const kills = Number(values.kills);
const random = new Random(Number(values.seed));
const program = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');
const root = mkdtempSync(join(tmpdir(), 'rnm-td3-kills-'));

const common = [
  '--preset none --steps 3000 --learning-starts 300 --hidden-sizes 32,32 --batch-size 32',
  '--buffer-size 2000 --checkpoint-interval 150 --eval-interval 700 --eval-episodes 1',
  '--log-interval 100 --threads 1 --n-steps 2 --mask-interval 100',
].flatMap((line) => line.split(' '));
const tasks = ['HalfCheetah-v5', 'Hopper-v5'];
const loops = [[], ['--envs', '2'], ['--overlap']];

/** Start the command line; its messages are kept for when it fails. */
function start(args: readonly string[]) {
  const child = spawn(process.execPath, [program, 'train', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<{ code: number | null; said: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, said }));
  });
  return { child, ended };
}

/** Train in one go; how long that took, in milliseconds. */
function trainAlone(args: readonly string[], out: string): number {
  const before = performance.now();
  const run = spawnSync(process.execPath, [program, 'train', ...args, '--out', out]);
  if (run.status !== 0) throw new Error(run.stderr.toString());
  return performance.now() - before;
}

/** Kill, resume, kill, resume, ..., and let it end; how often it was killed in mid-run. */
async function trainKilled(args: readonly string[], out: string, times: number, span: number) {
  let killed = 0;
  for (let i = 0; ; i++) {
    const isBegun = hasCheckpoint(out);
    if (!isBegun) rmSync(out, { recursive: true, force: true });
    const { child, ended } = start(isBegun ? ['--resume', out] : [...args, '--out', out]);
    if (i < times) {
      void setTimeout(random.uniform(0.15, 0.6) * span).then(() => child.kill('SIGKILL'));
    }
    const { code, said } = await ended;
    if (code === 0) return killed;
    if (child.signalCode !== 'SIGKILL') throw new Error(`exit code ${code}: ${said}`);
    killed++;
  }
}

function hasCheckpoint(out: string): boolean {
  try {
    RunFolder.open(out).readCheckpoint();
    return true;
  } catch {
    return false;
  }
}

/** sha256 of the weights and all else of the agent, of the replay buffer's rows, and of the evaluations. */
function hashesOf(out: string) {
  const run = RunFolder.open(out);
  const { state, run: loop } = run.readCheckpoint().checkpoint;
  const agent = createHash('sha256').update(JSON.stringify(state.metadata));
  for (const [name, tensor] of Object.entries(state.tensors)) {
    agent.update(name).update(bytesOf(tensor));
  }
  const evaluations = (run.readSummary()['evaluations'] as EvaluationRecord[]).map(
    ({ step, returns, lengths }) => ({ step, returns, lengths }),
  );
  return {
    agent: agent.digest('hex'),
    replay: rowsHash(run, loop?.replayAdded ?? 0),
    evaluations: createHash('sha256').update(JSON.stringify(evaluations)).digest('hex'),
  };
}

function bytesOf({ data }: SafeTensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Of the rows that a buffer of the run's size would hold. */
function rowsHash(run: RunFolder, added: number): string {
  const { agent } = run.readConfig() as {
    agent: { observationSize: number; actionSize: number; bufferSize: number };
  };
  const hash = createHash('sha256');
  const reader: ReplayRows = {
    rowLength: 2 * agent.observationSize + agent.actionSize + 2,
    capacity: agent.bufferSize,
    size: 0,
    added: 0,
    read: () => new Float32Array(0),
    refill(_, read) {
      const first = Math.max(0, added - agent.bufferSize);
      for (const rows of read(first, added - first)) {
        hash.update(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength));
      }
    },
  };
  new ReplaySegments(run.replayPath).restore(reader, added);
  return hash.digest('hex');
}

const cases = tasks.flatMap((task) => loops.map((loop) => [task, ...loop, ...common]));
let [done, different] = [0, 0];
for (const [i, args] of cases.entries()) {
  const name = args.slice(0, args.indexOf('--preset')).join(' ');
  const [alone, killed] = [join(root, `alone-${i}`), join(root, `killed-${i}`)];
  const span = trainAlone(args, alone);
  const times = Math.ceil((kills - done) / (cases.length - i));
  const count = await trainKilled(args, killed, times, span);
  done += count;
  const [expected, found] = [hashesOf(alone), hashesOf(killed)];
  const isSame = JSON.stringify(expected) === JSON.stringify(found);
  if (!isSame) different++;
  console.log(`${name}: killed ${count} times, ${isSame ? 'the same' : 'ANOTHER run'}`);
  for (const [what, hash] of Object.entries(found)) {
    console.log(
      `  ${what.padEnd(12)} ${hash}${hash === expected[what as never] ? '' : ' DIFFERS'}`,
    );
  }
}
rmSync(root, { recursive: true, force: true });
console.log(`${done} kills, ${different} of ${cases.length} runs differ`);
process.exitCode = different === 0 && done > 0 ? 0 : 1;
