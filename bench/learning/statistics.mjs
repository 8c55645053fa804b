/**
 * Statistics of a few runs on each of several tasks, after Agarwal et al. 2021, "Deep reinforcement
 * learning at the edge of the statistical precipice".
 *
 * Scores come as one list for each task, of one score for each run. Lists may differ in length.
 */
import { quantile } from '../../dist/bench/statistics.js';
import { Random } from '../../dist/random.js';

/** Ends of an interval of 95% are then good to about 2% of its width. */
const defaultResamples = 10_000;

/** The arithmetic mean of at least one number. */
export function mean(values) {
  checkScores(values);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The mean of the middle half. A quarter of n values, rounded down, is left out at each end, as
 * scipy.stats.trim_mean(values, 0.25) does, which Agarwal et al. use: no value counts in part, and
 * of three or fewer values it is the mean.
 */
export function interquartileMean(values) {
  checkScores(values);
  const cut = Math.floor(values.length / 4);
  return mean(values.toSorted((a, b) => a - b).slice(cut, values.length - cut));
}

/**
 * Interquartile mean over all runs of all tasks, where 1 is the mean of the task's reference runs.
 *
 * @param scores for each task, scores of its runs
 * @param reference for each task, scores of its reference runs, all of them positive
 */
export function normalizedIqm(scores, reference) {
  checkTasks(scores, reference);
  return interquartileMean(
    scores.flatMap((runs, task) => {
      const one = mean(reference[task]);
      if (!(one > 0)) throw new RangeError(`Expected a positive mean of a reference, not ${one}`);
      return runs.map((score) => score / one);
    }),
  );
}

/**
 * How likely a run of the one is to get more than a run of the other: P(X > Y), where equal scores
 * count a half, of all pairs of a task, and its mean over tasks.
 */
export function probabilityOfImprovement(scores, others) {
  checkTasks(scores, others);
  return mean(scores.map((runs, task) => probabilityOfMore(runs, others[task])));
}

function probabilityOfMore(runs, others) {
  checkScores(runs);
  checkScores(others);
  const wins = runs.map((x) => others.reduce((sum, y) => sum + (x > y ? 1 : x === y ? 0.5 : 0), 0));
  return mean(wins) / others.length;
}

/**
 * A statistic of two sets of runs with its 95% interval: the percentile bootstrap, stratified by
 * task. Runs are drawn within each task, of both sets, since what is compared with is known from a
 * few runs as well.
 *
 * @param statistic function of two lists of tasks, as above
 * @param options.resamples default: 10,000
 * @param options.seed default: 0
 * @returns value, low and high
 */
export function withInterval(statistic, scores, others, options = {}) {
  const { resamples = defaultResamples, seed = 0 } = options;
  const value = statistic(scores, others);
  const random = new Random(seed);
  const draw = (runs) => runs.map(() => runs[random.integer(0, runs.length - 1)]);
  const values = Array.from({ length: resamples }, () =>
    statistic(scores.map(draw), others.map(draw)),
  );
  return { value, low: quantile(values, 0.025), high: quantile(values, 0.975) };
}

/** A NaN among them would be left out with the quarters, and nobody would know. */
function checkScores(values) {
  if (values.length > 0 && values.every(Number.isFinite)) return;
  throw new RangeError(
    `Expected at least one score, all of them finite, not [${values.join(', ')}]`,
  );
}

function checkTasks(scores, others) {
  if (scores.length === others.length) return;
  throw new RangeError(`Expected as many tasks as ${scores.length}, not ${others.length}`);
}
