/** Runs jobs of the plan as processes of their own, and keeps the figures of each. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RunFolder, packageVersion } from '../../dist/index.js';
import { readJsonLines } from '../../dist/train/atomic-file.js';
import { distinctJobs, identity, jobArguments, jobName } from './plan.mjs';
import { appendRecord, readRecords } from './store.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cli = join(root, 'dist', 'cli', 'main.js');

const lowPriority = constants.priority.PRIORITY_BELOW_NORMAL;

/** What decides how a run turns out; figures and pages in the same repository do not. */
const trainedCode = ['lib', 'native', 'package.json', 'package-lock.json'];

/**
 * Run all jobs that have no record yet, some at a time. A run that fails does not stop the others.
 *
 * @param jobs as `listJobs` gives them
 * @param options.results folder of the records
 * @param options.runs folder of the run folders
 * @param options.atOnce runs at a time, of one thread each
 * @param options.preset pass `--preset none`
 * @param options.retry run those again that failed before
 * @param options.signal stops all runs; what is finished has been kept
 * @returns how many runs failed
 */
export async function runJobs(jobs, options) {
  const records = readRecords(options.results);
  const once = distinctJobs(jobs);
  const waiting = once.filter((job) => {
    const record = records.get(identity(job));
    return record === undefined || (options.retry && record.failure !== undefined);
  });
  console.log(`${once.length - waiting.length} runs are there, ${waiting.length} to go`);
  const machine = waiting.length === 0 ? {} : describeMachine();
  let failures = 0;
  const work = async () => {
    while (waiting.length > 0 && !options.signal?.aborted) {
      if (!(await runJob(waiting.shift(), machine, options))) failures++;
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, work));
  return failures;
}

/** Whether the job went well, or was stopped from outside. */
async function runJob(job, machine, { results, runs, preset, signal }) {
  const name = jobName(job);
  const folder = join(runs, folderName(job));
  // What an earlier start left unfinished cannot be gone on with.
  rmSync(folder, { recursive: true, force: true });
  // Another commit may be checked out and built while others run.
  const made = { commit: currentCommit(), version: packageVersion, ...machine };
  const date = new Date().toISOString().slice(0, 10);
  console.log(`${name}: started`);
  const args = [...jobArguments(job, { preset }), '--out', folder];
  const end = await trainInChild(args, name, { signal });
  if (end.summary?.finished === true && end.code === 0) {
    appendRecord(results, { ...job, ...figuresOf(folder, end.summary), ...made, date });
    console.log(`${name}: done, ${describeSpeed(end.summary)}`);
    return true;
  }
  if (signal?.aborted) return true;
  console.error(`${name}: failed (${end.code}). ${end.errors}`);
  // Flags that are wrong, or a machine without memory, say nothing about learning.
  const isResult = end.step > 0 && end.code === 1;
  if (isResult)
    appendRecord(results, { ...job, failure: end.errors, step: end.step, ...made, date });
  return false;
}

/** Readable, and of one job alone. */
function folderName(job) {
  const hash = createHash('sha256').update(identity(job)).digest('hex').slice(0, 8);
  return `${jobName(job).replaceAll(/[^\w.=-]+/g, '-')}-${hash}`;
}

/**
 * Train in a process of its own.
 *
 * @param args after `rnm-td3`
 * @param name what to call it
 * @param options.signal stops it, with everything saved
 * @param options.quiet do not tell of evaluations
 * @param options.priority as the operating system has it. Default: a low one, so that a person can
 *   go on using the machine
 * @returns exit code or signal, the summary if it came to that, the last step that was told of, and
 *   the end of what it said on standard error
 */
export async function trainInChild(
  args,
  name,
  { signal, quiet = false, priority = lowPriority } = {},
) {
  const child = spawn(process.execPath, [cli, ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, how) => resolve(how ?? code));
  });
  setPriority(child.pid, priority);
  const stop = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors = `${errors}${chunk}`.slice(-500)));
  let summary;
  let step = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const record = JSON.parse(line);
    if (record.event === 'progress') step = record.step;
    if (record.event === 'summary') summary = record;
    if (record.event === 'evaluation' && !quiet) {
      console.log(`${name}: ${record.mean.toFixed(0)} at step ${record.step}`);
    }
  }
  const code = await ended;
  signal?.removeEventListener('abort', stop);
  return { code, summary, step, errors: errors.trim() };
}

function describeSpeed({ stepsPerSecond, wallSeconds }) {
  return `${stepsPerSecond.toFixed(0)} steps/s, ${(wallSeconds / 60).toFixed(1)} minutes`;
}

/** What is kept of a run: no more digits than mean something. */
function figuresOf(folder, { evaluations, stepsPerSecond }) {
  return {
    curve: {
      steps: evaluations.map(({ step }) => step),
      returns: evaluations.map(({ mean }) => round(mean, 1)),
      seconds: evaluations.map(({ trainSeconds }) => round(trainSeconds, 2)),
    },
    stepsPerSecond: round(stepsPerSecond, 1),
    metrics: lastAgentMetrics(folder),
  };
}

/** The agent's figures at the end: losses, density, masks, and whether it is stuck. */
function lastAgentMetrics(folder) {
  const isAgents = (name) => name.includes('/') && !/^(train|eval|speed)\//.test(name);
  const last = readJsonLines(RunFolder.open(folder).metricsPath)
    .map((record) => Object.entries(record).filter(([name]) => isAgents(name)))
    .findLast((entries) => entries.length > 0);
  const rounded = (last ?? []).map(([name, value]) => [name, Number(value.toPrecision(4))]);
  return Object.fromEntries(rounded);
}

function round(value, digits) {
  return Number(value.toFixed(digits));
}

/** The commit that is checked out, with "+" where what is trained differs from it. */
export function currentCommit() {
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  try {
    const changed = git('status', '--porcelain', '--', ...trainedCode) !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? '+' : ''}`;
  } catch {
    return null; // not a checkout
  }
}

/** CPU, instruction set and Node, as `rnm-td3 info` has them. */
export function describeMachine() {
  const info = execFileSync(process.execPath, [cli, 'info', '--json'], { encoding: 'utf8' });
  const { cpu, devices, node } = JSON.parse(info);
  return { cpu: cpu.model, isa: devices.find(({ name }) => name === 'cpu').isa, node };
}
