/** What two runs have to have in common to be the same, to the bit. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RunFolder, readJsonLines } from '../../lib/train/index.js';
import type { EvaluationRecord, SafeTensor, TrainableAgent } from '../../lib/train/index.js';

/** What depends on the clock. */
const isTime = (name: string) => /seconds|speed\//i.test(name);

/** Hashes of an agent's state with its replay buffer, of the records of metrics, and of evaluations. */
export function printOf(out: string, agent: TrainableAgent) {
  const run = RunFolder.open(out);
  return {
    state: stateHash(agent),
    metrics: readJsonLines(run.metricsPath).map(withoutTimes),
    events: existsSync(run.tensorboardPath) ? eventRecords(run.tensorboardPath) : 0,
    evaluations: evaluationsOf(run.readSummary()),
    policy: hashOf(readFileSync(run.policyPath)),
    best: existsSync(run.bestPolicyPath) ? hashOf(readFileSync(run.bestPolicyPath)) : '',
  };
}

/** sha256 of all that an agent goes on with. */
export function stateHash(agent: TrainableAgent): string {
  const { tensors, metadata } = agent.state({ replay: true });
  const hash = createHash('sha256').update(JSON.stringify(metadata));
  for (const [name, tensor] of Object.entries(tensors)) hash.update(name).update(bytesOf(tensor));
  return hash.digest('hex');
}

function bytesOf({ data }: SafeTensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function withoutTimes(line: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(line).filter(([name]) => !isTime(name)));
}

function evaluationsOf(summary: Record<string, unknown>) {
  const evaluations = summary['evaluations'] as EvaluationRecord[];
  return evaluations.map(({ step, seed, returns, lengths }) => ({ step, seed, returns, lengths }));
}

/** Number of scalar records in all event files: each file begins with one that says its version. */
function eventRecords(folder: string): number {
  return readdirSync(folder)
    .map((name) => countRecords(readFileSync(join(folder, name))) - 1)
    .reduce((sum, count) => sum + count, 0);
}

function countRecords(file: Buffer): number {
  let count = 0;
  for (let at = 0; at < file.length; at += 16 + Number(file.readBigUInt64LE(at))) count++;
  return count;
}
