/**
 * The study of how well N:M sparse networks learn: `node bench/learning/study.mjs help`.
 *
 * Runs that are in the results are not done again, so that it can be stopped and started at any
 * time.
 */
import { parseArgs } from 'node:util';
import { identity, jobName, listJobs, phases } from './plan.mjs';
import { runJobs } from './runs.mjs';
import { writeReport } from './report.mjs';
import { measureSpeed, readSpeed, writeSpeed } from './speed.mjs';
import { readRecords } from './store.mjs';

/** Of an interrupted program, as shells use it for Ctrl-C. */
const interruptedExitCode = 130;

const committedResults = 'bench/results/learning';

const help = `node bench/learning/study.mjs <command> [options]

  list    the runs of the plan, and which are done
  run     do those that are not done
  speed   time training steps of all variants of the study, on an idle machine; with --only it
          needs --results
  report  write docs/results.md from what there is
  help    this

Which runs (all commands):
  --phase <name>      ${Object.keys(phases).join(', ')} (default: all)
  --only <text>       those whose name contains this, e.g. "Hopper-v5 1:8" or "seed 0"
  --steps <count>     so many steps instead of the plan's, to try things out; \`run\` needs --results with it
  --results <folder>  where the figures are (default ${committedResults})

run:
  --jobs <count>      runs at a time, one thread each (default 2)
  --runs <folder>     where the run folders are (default runs/learning)
  --retry             also those that failed before

speed:
  --rounds <count>    undisturbed turns of each variant (default 5)
  --budget <minutes>  when to go on to the next task although there were fewer (default 15)

report:
  --docs <folder>     where results.md and images/ go (default docs)

run, speed and report:
  --no-preset-flag    leave out --preset none, for versions that have no presets`;

const options = {
  phase: { type: 'string' },
  only: { type: 'string' },
  steps: { type: 'string' },
  results: { type: 'string' },
  jobs: { type: 'string', default: '2' },
  runs: { type: 'string', default: 'runs/learning' },
  docs: { type: 'string', default: 'docs' },
  rounds: { type: 'string', default: '5' },
  budget: { type: 'string', default: '15' },
  retry: { type: 'boolean', default: false },
  'no-preset-flag': { type: 'boolean', default: false },
};

const commands = { list, run, speed, report, help: () => console.log(help) };

function list(values) {
  const records = readRecords(values.results);
  const jobs = chosenJobs(values);
  const states = jobs.map((job) => stateOf(records.get(identity(job))));
  jobs.forEach((job, i) => console.log(`${states[i].padEnd(8)}${jobName(job)}`));
  const done = states.filter((state) => state === 'done').length;
  console.log(`${done} of ${jobs.length} runs are done`);
}

function stateOf(record) {
  if (record === undefined) return '-';
  return record.failure === undefined ? 'done' : 'failed';
}

/** Set off by what ends a program from outside. */
function stopSignal() {
  const controller = new AbortController();
  const stop = () => controller.abort();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, stop);
  return controller.signal;
}

async function run(values) {
  const signal = stopSignal();
  const failures = await runJobs(chosenJobs(values), {
    results: values.results,
    runs: values.runs,
    atOnce: positiveInteger('jobs', values.jobs),
    preset: !values['no-preset-flag'],
    retry: values.retry,
    signal,
  });
  if (failures > 0) console.error(`${failures} runs failed`);
  process.exitCode = signal.aborted ? interruptedExitCode : Math.min(failures, 1);
}

async function speed(values) {
  const signal = stopSignal();
  const figures = await measureSpeed({
    only: values.only,
    rounds: positiveInteger('rounds', values.rounds),
    budgetMinutes: positiveInteger('budget', values.budget),
    preset: !values['no-preset-flag'],
    signal,
  });
  console.log(`wrote ${writeSpeed(values.results, figures)}`);
}

async function report({ steps, results, docs, 'no-preset-flag': noPreset }) {
  const records = readRecords(results);
  const jobs = chosenJobs({ steps });
  const speed = readSpeed(results);
  await writeReport(jobs, { records, speed, docs, preset: !noPreset });
  const missing = jobs.filter((job) => records.get(identity(job))?.curve === undefined).length;
  if (missing > 0) console.error(`${missing} of ${jobs.length} runs are missing`);
}

function chosenJobs({ phase, only, steps }) {
  const count = steps === undefined ? undefined : positiveInteger('steps', steps);
  return listJobs({ phase, only, steps: count });
}

function positiveInteger(name, text) {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new RangeError(`Expected --${name} to be a positive integer, not "${text}"`);
}

/** What is only to try things out must not get among the other figures. */
function checkResults(command, { steps, only, results }) {
  if (results !== undefined) return;
  const partOf = { run: steps, speed: steps ?? only }[command];
  if (partOf === undefined) return;
  throw new RangeError('Expected --results with this: the figures go into a folder of their own');
}

async function main() {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [name = 'help', ...rest] = positionals;
  if (!Object.hasOwn(commands, name) || rest.length > 0) {
    throw new RangeError(
      `Expected one of ${Object.keys(commands).join(', ')}, not "${positionals.join(' ')}"`,
    );
  }
  checkResults(name, values);
  await commands[name]({ ...values, results: values.results ?? committedResults });
}

try {
  await main();
} catch (error) {
  // A wrong option needs no stack.
  const expected = error instanceof RangeError || error.code?.startsWith('ERR_PARSE_ARGS');
  console.error(expected ? error.message : error);
  process.exitCode = error.name === 'AbortError' ? interruptedExitCode : 2;
}
