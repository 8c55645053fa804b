/**
 * Seconds of a training step, task by task: the times of the runs themselves are those of a machine
 * that others used as well.
 *
 * Every variant trains for a short while in a process of its own, as a run does, one after the
 * other and in turns, so that what slows the machine down hits all of them.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyElsewhere, ratioOfTimes, takeTurns } from '../../dist/bench/pairing.js';
import { packageVersion } from '../../dist/index.js';
import { byTask, identity, jobArguments, listJobs } from './plan.mjs';
import { currentCommit, describeMachine, trainInChild } from './runs.mjs';

/** Steps before those that are timed: warm-up, and as many while the compiler settles. */
const warmUp = { 'learning-starts': 1000 };
const untimed = 2000;

/** Steps that are timed at a time: with two updates of the masks, one every 1,000. */
const timed = 2000;

/**
 * Measure all variants of the study and of its small dense networks.
 *
 * @param options.only only variants and tasks whose name contains this
 * @param options.rounds turns of each variant that nothing else disturbed
 * @param options.budgetMinutes when to stop for each task although there were fewer
 * @param options.preset pass `--preset none`
 * @param options.signal stops it
 * @returns figures for `writeSpeed`
 */
export async function measureSpeed({ only, rounds, budgetMinutes, preset, signal }) {
  const turns = { rounds, slotSeconds: 1, budgetSeconds: 60 * budgetMinutes, signal };
  const results = [];
  const timings = [];
  for (const [env, jobs] of byTask(listVariants(only))) {
    const taken = await takeTurns(
      jobs.map((job) => candidateOf(job, preset, signal)),
      turns,
    );
    const dense = taken.find(({ name }) => name === 'dense');
    taken.forEach((timing, i) => results.push(describeTiming(jobs[i], timing, dense)));
    timings.push(...taken);
    console.log(`${env}: ${results.slice(-jobs.length).map(describeRate).join(', ')}`);
  }
  const machine = { ...describeMachine(), cores: availableParallelism() };
  const date = new Date().toISOString().slice(0, 10);
  const made = { date, commit: currentCommit(), version: packageVersion, ...machine };
  return { ...made, othersCores: busyElsewhere(timings), variants: results };
}

/** One job for each variant and task, dense first. */
function listVariants(only) {
  const jobs = [...listJobs({ phase: 'study', only }), ...listJobs({ phase: 'matched', only })];
  return [...new Map(jobs.toReversed().map((job) => [speedKey(job), job])).values()].toReversed();
}

/** Equally fast are variants with the same flags on the same task. */
function speedKey({ env, settings }) {
  return identity({ env, settings, seed: 0, steps: 0 });
}

/** A unit is a training step; what a slot takes is measured by the run itself. */
function candidateOf(job, preset, signal) {
  return {
    name: job.variant,
    multiple: timed,
    run: (units) => timeSteps(job, units, preset, signal),
  };
}

async function timeSteps(job, count, preset, signal) {
  const folder = mkdtempSync(join(tmpdir(), 'rnm-td3-speed-'));
  try {
    const steps = untimed + count;
    const settings = { ...job.settings, ...warmUp };
    const line = jobArguments({ ...job, settings, steps, seed: 0 }, { preset });
    // Two evaluations, one before the steps that are timed and one after.
    const args = [...line, '--eval-interval', String(untimed), '--eval-episodes', '1'];
    const options = { signal, quiet: true, priority: constants.priority.PRIORITY_NORMAL };
    const end = await trainInChild([...args, '--out', folder], job.variant, options);
    signal?.throwIfAborted();
    if (end.code !== 0) throw new Error(`${job.env} ${job.variant}: ${end.errors}`);
    const { evaluations } = end.summary;
    return evaluations.at(-1).trainSeconds - evaluations[0].trainSeconds;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function describeTiming({ env, variant, settings }, timing, dense) {
  const rate = (seconds) => Number((1 / seconds).toPrecision(4));
  return {
    env,
    variant,
    settings,
    stepsPerSecond: rate(timing.median),
    // A long time is a low rate.
    p10: rate(timing.p90),
    p90: rate(timing.p10),
    segments: timing.count,
    timesDense: dense === undefined ? null : describeRatio(ratioOfTimes(dense, timing)),
    quiet: timing.quiet,
  };
}

function describeRatio({ ratio, low, high }) {
  return [ratio, low, high].map((value) => Number(value.toFixed(3)));
}

function describeRate({ variant, stepsPerSecond, quiet }) {
  return `${variant} ${stepsPerSecond.toFixed(0)} steps/s${quiet ? '' : ' (disturbed)'}`;
}

/** Write the figures to `speed-<cpu>-<date>.json`, and return the path. */
export function writeSpeed(folder, figures) {
  const cpu = figures.cpu
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  const path = join(folder, `speed-${cpu}-${figures.date}.json`);
  const variants = figures.variants.map((variant) => `  ${JSON.stringify(variant)}`);
  const head = JSON.stringify({ ...figures, variants: [] }).replace(/\[\]\}$/, '');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, `${head}[\n${variants.join(',\n')}\n]}\n`);
  return path;
}

/**
 * The newest figures of a folder; undefined where there are none. `secondsPerStep(job)` is that of a
 * job's variant on its task, or undefined where it was not measured.
 */
export function readSpeed(folder) {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const files = names.filter((name) => /^speed-.*\.json$/.test(name));
  const all = files.map((file) => ({
    file,
    ...JSON.parse(readFileSync(join(folder, file), 'utf8')),
  }));
  const newest = all.toSorted((a, b) => (a.date < b.date ? -1 : 1)).at(-1);
  if (newest === undefined) return undefined;
  const times = new Map(newest.variants.map((each) => [speedKey(each), secondsOf(each, newest)]));
  return { ...newest, secondsPerStep: (job) => times.get(speedKey(job)) };
}

/** By way of dense, with which a variant took turns: what slowed both down cancels. */
function secondsOf({ env, stepsPerSecond, timesDense }, { variants }) {
  const dense = variants.find((each) => each.env === env && each.variant === 'dense');
  if (dense === undefined || timesDense === null) return 1 / stepsPerSecond;
  return 1 / (dense.stepsPerSecond * timesDense[0]);
}
