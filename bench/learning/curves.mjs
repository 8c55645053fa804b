/** What a run's evaluations say: its score, and when it was as good as something. */

/** What `learning-starts` is where a run does not say. */
const defaultLearningStarts = 10_000;

/**
 * The score of a run: the mean return of its evaluations in the last sixth of its steps, and of at
 * least three. The policy of a single step can be far from that of its neighbours.
 *
 * @param record with curve and steps
 * @param upTo as if the run had ended at this step. Default: all of it
 * @returns NaN before the first evaluation
 */
export function scoreOf(record, upTo = record.steps) {
  const { steps, returns } = record.curve;
  const until = returns.slice(0, steps.filter((step) => step <= upTo).length);
  return average(until.slice(-windowOf(record)));
}

/** The return of a run's last evaluation. */
export function lastReturn({ curve }) {
  return curve.returns.at(-1);
}

/** Evaluations that make a score. */
function windowOf({ curve, steps }) {
  const late = curve.steps.filter((step) => step > (steps * 5) / 6);
  return Math.max(3, late.length);
}

/**
 * The mean of several runs at each step, each point the mean of as many evaluations as make a
 * score: its last point is the mean of the runs' scores.
 *
 * @param records of one variant on one task
 * @returns points of step and value, from the first with enough evaluations before it
 */
export function smoothCurve(records) {
  const [first] = records;
  const window = windowOf(first);
  const means = first.curve.steps.map((_, i) =>
    average(records.map((run) => run.curve.returns[i])),
  );
  return first.curve.steps
    .map((step, i) => ({ step, value: average(means.slice(Math.max(0, i + 1 - window), i + 1)) }))
    .slice(window - 1);
}

/**
 * The step at which a curve first is at `level`, linear between its points.
 *
 * @returns Infinity where it never is
 */
export function stepOfReaching(level, curve) {
  const at = curve.findIndex(({ value }) => value >= level);
  if (at === -1) return Infinity;
  if (at === 0) return curve[0].step;
  const [before, after] = [curve[at - 1], curve[at]];
  const share = (level - before.value) / (after.value - before.value);
  return before.step + share * (after.step - before.step);
}

/**
 * Seconds that a run takes up to a step. Warm-up has no updates, and takes no time to speak of.
 *
 * @param settings the run's flags
 * @param secondsPerStep of training
 */
export function secondsAt(step, settings, secondsPerStep) {
  return Math.max(0, step - learningStartsOf(settings)) * secondsPerStep;
}

/** The step that a run has reached after so many seconds: the inverse of `secondsAt`. */
export function stepAt(seconds, settings, secondsPerStep) {
  return learningStartsOf(settings) + seconds / secondsPerStep;
}

function learningStartsOf(settings) {
  return Number(settings['learning-starts'] ?? defaultLearningStarts);
}

function average(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
