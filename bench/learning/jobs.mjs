/** The training runs behind docs/results.md: which there are, and running them. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RunFolder } from '../../dist/index.js';

const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** What the TD3 paper (Fujimoto et al. 2018) used where the defaults differ today. */
const paperSettings = {
  'hidden-sizes': '400,300',
  'batch-size': 100,
  'learning-rate': 1e-3,
  'learning-starts': 1000,
};

/** Tasks with patterns, seeds, environment steps, other hyperparameters, and what others got. */
const plan = [
  {
    env: 'HalfCheetah-v5',
    patterns: ['dense', '2:4', '1:4', '1:8'],
    seeds: [0, 1, 2],
    steps: 1e5,
    comparison:
      'For comparison, the same algorithm in PyTorch and Gymnasium, seed 0: dense 3,933, 2:4 ' +
      '3,841, 1:4 3,930, 1:8 3,668; dense on seed 1: 4,147. A second, independent program of the same ' +
      'kind, seeds 0 and 1: 1:4 4,865 and 4,026, 1:8 523 and 2,109 (at 90,000 steps 2,703 and 2,237).',
  },
  ...[
    ['Hopper-v5', '2,441', ' With the defaults PyTorch and Gymnasium reach 311 on seed 0.'],
    ['Walker2d-v5', '2,421', ' With the defaults PyTorch and Gymnasium reach 401 on seed 0.'],
    ['InvertedDoublePendulum-v5', '8,996', ''],
  ].map(([env, published, pytorch]) => ({
    env,
    patterns: ['dense', '1:4'],
    seeds: [0],
    steps: 2e5,
    settings: paperSettings,
    comparison: `For comparison, the published mean of dense TD3 at this step: ${published}.${pytorch}`,
  })),
];

/** One job for each task, pattern and seed; `steps` stands in for the plan's. */
export function listJobs(runs, steps) {
  return plan.flatMap((task) =>
    task.seeds.flatMap((seed) =>
      task.patterns.map((sparsity) => {
        const { env, settings = {}, comparison } = task;
        const job = { env, sparsity, seed, steps: steps ?? task.steps, settings, comparison };
        const name = `${job.env}-${sparsity.replace(':', 'of')}-seed${seed}-${job.steps}`;
        return { ...job, name, folder: join(runs, name) };
      }),
    ),
  );
}

/** What came out of a job, or undefined if it is not finished. */
export function readResult(job) {
  try {
    const summary = RunFolder.open(job.folder).readSummary();
    return summary.finished === true ? { ...job, summary } : undefined;
  } catch (error) {
    if (existsSync(job.folder)) console.error(`${job.name}: ${error.message}`);
    return undefined;
  }
}

/** What came out of jobs according to a file of figures: a function like `readResult`. */
export function readFigures(path) {
  const { runs } = JSON.parse(readFileSync(path, 'utf8'));
  return (job) => {
    const same = (run) =>
      ['env', 'sparsity', 'seed', 'steps', 'settings'].every(
        (key) => JSON.stringify(run[key]) === JSON.stringify(job[key]),
      );
    const run = runs.find(same);
    if (run === undefined) return undefined;
    const finalEvaluation = { mean: run.return, returns: run.returns };
    return { ...job, summary: { finalEvaluation, evaluations: run.curve } };
  };
}

/** Run all jobs that are not finished, `atOnce` at a time. */
export async function runJobs(jobs, atOnce) {
  const waiting = jobs.filter((job) => readResult(job) === undefined);
  console.log(`${jobs.length - waiting.length} runs are finished, ${waiting.length} to go`);
  const work = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await runJob(job);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** The command line of a job, after `rnm-td3`. */
export function jobArguments({ env, sparsity, seed, steps, settings, folder }) {
  const options = { sparsity, seed, steps, ...settings, threads: 1, out: folder };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return ['train', env, ...flags];
}

async function runJob(job) {
  // What an earlier start left unfinished cannot be gone on with.
  rmSync(job.folder, { recursive: true, force: true });
  console.log(`${job.name}: started`);
  const child = spawn(process.execPath, [cli, ...jobArguments(job), '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(signal ?? code));
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const { event, step, mean, stepsPerSecond } = JSON.parse(line);
    if (event === 'evaluation') console.log(`${job.name}: ${Math.round(mean)} at step ${step}`);
    if (event === 'summary') console.log(`${job.name}: ${Math.round(stepsPerSecond)} steps/s`);
  }
  const how = await ended;
  if (how !== 0) console.error(`${job.name}: ended with ${how}`);
}
