/** What the runs say: scores by variant and task, compared with those of dense networks. */
import { scoreOf, secondsAt, smoothCurve, stepAt, stepOfReaching } from './curves.mjs';
import { identity } from './plan.mjs';
import { mean, normalizedIqm, probabilityOfImprovement, withInterval } from './statistics.mjs';

/** What everything is compared with. */
export const reference = 'dense';

/** What `hidden-sizes` is where a run does not say. */
const defaultHidden = '256,256';

/** With fewer runs of a task an interval says nothing. */
const leastRuns = 3;

/** What the sparse patterns are meant to reach, as normalized scores, and their intervals' lower ends. */
const iqmTargets = { '2:4': 1, '1:4': 1, '1:8': 0.95 };
const leastLow = 0.85;

/** The pattern that the dense networks of the phase `matched` are as small as. */
export const matchedPattern = '1:8';

/** What 1:8 is meant to need to be as good as dense in the end, of dense's seconds. */
const secondsTarget = { variant: '1:8', share: 0.5 };

/** Jobs with what came of them: `record` of a run that ended, or `failure`, or neither. */
export function attachRecords(jobs, records) {
  return jobs.map((job) => {
    const record = records.get(identity(job));
    if (record === undefined) return job;
    return record.failure === undefined ? { ...job, record } : { ...job, failure: record };
  });
}

/** The values of a key, each once, in order. */
export function distinct(items, key) {
  return [...new Set(items.map((item) => item[key]))];
}

/** Runs of a variant, on one task or on all, that ended. */
export function runsOf(runs, variant, env) {
  return runs.filter(
    (run) =>
      run.record !== undefined && run.variant === variant && (env === undefined || run.env === env),
  );
}

/** Mean score of runs; NaN of none. */
export function meanScore(runs) {
  return runs.length === 0 ? NaN : mean(runs.map(({ record }) => scoreOf(record)));
}

/**
 * Active weights of actor and critic at the end of a run, without biases.
 *
 * @param sizes observationSize and actionSize of its task
 */
export function activeWeights({ settings, record }, { observationSize, actionSize }) {
  const hidden = String(settings['hidden-sizes'] ?? defaultHidden)
    .split(',')
    .map(Number);
  const actor = countWeights([observationSize, ...hidden, actionSize]);
  const critic = countWeights([observationSize + actionSize, ...hidden, 1]);
  const { 'density/actor': ofActor, 'density/critic1': ofCritic } = record.metrics;
  return { actor: actor * ofActor, critic: critic * ofCritic };
}

function countWeights(widths) {
  return widths.slice(1).reduce((sum, width, i) => sum + width * widths[i], 0);
}

/** The study's runs and what is computed from them. */
export class Study {
  /** Of the study and of its small dense networks, as `attachRecords` gives them. */
  runs;
  #speed;
  #resamples;

  /**
   * @param speed as `readSpeed` gives it, or undefined
   * @param options.resamples of each bootstrap
   */
  constructor(runs, speed, { resamples } = {}) {
    this.runs = runs;
    this.#speed = speed;
    this.#resamples = resamples;
  }

  get tasks() {
    return distinct(this.runs, 'env');
  }

  get variants() {
    return distinct(this.runs, 'variant');
  }

  /** Tasks on which dense networks learned something to compare with. */
  get comparableTasks() {
    return this.tasks.filter((env) => {
      const dense = runsOf(this.runs, reference, env);
      return dense.length > 0 && dense.every(({ record }) => scoreOf(record) > 0);
    });
  }

  /** Score of a variant on a task, or on all, of dense at the same step, with its interval. */
  atEqualSteps(variant, env) {
    return this.#compare(normalizedIqm, variant, env, ({ record }) => scoreOf(record));
  }

  /** How likely a run is to get more than one of dense. */
  improvement(variant, env) {
    return this.#compare(probabilityOfImprovement, variant, env, ({ record }) => scoreOf(record));
  }

  /** Both of these at equal steps and on all tasks, with another variant in place of dense. */
  against(variant, other) {
    const [share, improvement] = [normalizedIqm, probabilityOfImprovement].map((statistic) =>
      this.#compare(statistic, variant, undefined, ({ record }) => scoreOf(record), other),
    );
    return { share, improvement };
  }

  /** Score of dense after the same seconds, those in which the fastest variant has done its steps. */
  atEqualSeconds(variant, env) {
    const tasks = env === undefined ? this.comparableTasks : [env];
    const jobs = this.runs.filter((run) => tasks.includes(run.env));
    if (jobs.some((job) => this.secondsPerStep(job) === undefined)) return undefined;
    const budgets = new Map(tasks.map((task) => [task, this.leastSeconds(task)]));
    return this.#compare(normalizedIqm, variant, env, (run) => {
      const step = stepAt(budgets.get(run.env), run.settings, this.secondsPerStep(run));
      return scoreOf(run.record, step);
    });
  }

  /** Seconds of a training step, or undefined where it was not measured. */
  secondsPerStep(job) {
    return this.#speed?.secondsPerStep(job);
  }

  /** Seconds of all of a job's training. */
  secondsOf(job) {
    return secondsAt(job.steps, job.settings, this.secondsPerStep(job));
  }

  /** Seconds in which the fastest variant has done all its steps on a task. */
  leastSeconds(env) {
    const jobs = this.runs.filter((run) => run.env === env);
    return Math.min(...jobs.map((job) => this.secondsOf(job)));
  }

  /**
   * Seconds until the mean of a variant's runs is as good as that of dense is in the end.
   *
   * @returns Infinity if it never was, undefined where something is not known
   */
  secondsToReference(variant, env) {
    const [dense, runs] = [reference, variant].map((name) => runsOf(this.runs, name, env));
    if (dense.length === 0 || runs.length === 0) return undefined;
    const secondsPerStep = this.secondsPerStep(runs[0]);
    if (secondsPerStep === undefined) return undefined;
    const level = smoothCurve(dense.map(({ record }) => record)).at(-1).value;
    const step = stepOfReaching(level, smoothCurve(runs.map(({ record }) => record)));
    return secondsAt(step, runs[0].settings, secondsPerStep);
  }

  /** Whether every run that was planned of a variant, and of dense, has ended. */
  isComplete(variant) {
    return this.runs
      .filter((run) => run.variant === variant || run.variant === reference)
      .every(({ record }) => record !== undefined);
  }

  /** What was to be reached: pattern, goal, what came of it, and "met", "missed" or "too few runs". */
  targets() {
    return [
      ...Object.entries(iqmTargets).map(([name, least]) => this.#iqmTarget(name, least)),
      this.#secondsTarget(),
    ];
  }

  #iqmTarget(variant, least) {
    const measured = this.atEqualSteps(variant);
    const met = measured?.value >= least && measured?.low > leastLow;
    return { variant, least, leastLow, measured, verdict: this.#verdict(variant, met) };
  }

  #secondsTarget() {
    const { variant, share } = secondsTarget;
    const shares = this.tasks.map((env) => ({
      env,
      share: this.secondsToReference(variant, env) / this.secondsToReference(reference, env),
    }));
    const known = shares.every((each) => !Number.isNaN(each.share));
    const met = shares.every((each) => each.share <= share);
    const verdict = known ? this.#verdict(variant, met) : 'too few runs';
    return { variant, share, shares, verdict };
  }

  #verdict(variant, met) {
    if (!this.isComplete(variant)) return 'too few runs';
    return met ? 'met' : 'missed';
  }

  /** A statistic over the tasks that both have runs of; without ends where runs are few. */
  #compare(statistic, variant, env, score, other = reference) {
    const tasks = this.comparableTasks.filter(
      (task) =>
        (env === undefined || task === env) &&
        [variant, other].every((name) => runsOf(this.runs, name, task).length > 0),
    );
    if (tasks.length === 0) return undefined;
    const [scores, others] = [variant, other].map((name) =>
      tasks.map((task) => runsOf(this.runs, name, task).map(score)),
    );
    const comparable = others.flat().every((each) => each > 0);
    if (!comparable || scores.flat().some(Number.isNaN)) return undefined;
    const few = [...scores, ...others].some((runs) => runs.length < leastRuns);
    if (few) return { value: statistic(scores, others) };
    return withInterval(statistic, scores, others, { resamples: this.#resamples });
  }
}
