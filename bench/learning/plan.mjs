/**
 * The training runs behind docs/results.md, as data: phases of variants, tasks, seeds and steps.
 *
 * A variant is one line of a table below: its name, and what it passes to `rnm-td3 train`. A job is
 * one variant on one task with one seed.
 */

/** What every run passes besides its variant's flags; evaluations do not touch what is learned. */
export const commonFlags = { 'eval-interval': 10_000, 'eval-episodes': 10, threads: 1 };

/** A run of fewer steps is one to try things out. */
const leastSteps = 10 * commonFlags['eval-interval'];

/** A variant's flags are all that differs from the defaults: no task's own settings come on top. */
export const presetFlags = { preset: 'none' };

/** Every flag that defaults could change is named: a run has to stay what it was. */
const usual = { 'learning-rate': 3e-4, 'n-steps': 1 };

/** Flags of dense networks, with others on top. */
const dense = (flags = {}) => ({ sparsity: 'dense', ...usual, ...flags });

/** Flags of networks as the paper defines them: every layer sparse, one rate, masks by magnitude. */
const paper = (sparsity, flags = {}) => ({
  sparsity,
  ...usual,
  'sparse-layers': 'all',
  'density-power': 0,
  'initial-scale': 'dense',
  'mask-rule': 'magnitude',
  'dormant-decay': 1,
  'new-moment': 'zero',
  ...flags,
});

/** The same with a dense last layer. */
const denseLast = (sparsity, flags = {}) =>
  paper(sparsity, { 'sparse-layers': 'all-but-last', ...flags });

/** And with a rate that makes up for a part of what a row's fewer weights move less. */
const mended = (sparsity, flags = {}) => denseLast(sparsity, { 'density-power': 0.5, ...flags });

/** From 30% of the groups to none at three quarters of 100,000 steps. */
const cosine = '0.15 * (1 + cos(pi * min(1, t / 75000)))';

/**
 * What dense and sparse networks train with on each task: the best of the phase `selection`, whose
 * seeds are not reported.
 */
export const selected = {
  'HalfCheetah-v5': { dense: { ...usual }, sparse: { ...usual } },
  'Hopper-v5': { dense: { ...usual }, sparse: { ...usual } },
  'Walker2d-v5': { dense: { ...usual }, sparse: { ...usual } },
  'Ant-v5': { dense: { ...usual }, sparse: { ...usual } },
};

/** What the phase `screening` found that sparse networks need, on every task. */
const sparseNeeds = mended;

/** The candidates of the phase `selection`; one sparse pattern stands for all. */
const grid = {
  patterns: { dense: dense(), '1:4': sparseNeeds('1:4') },
  rates: ['3e-4', '1e-3'],
  nSteps: [1, 3],
};

/** The variants of the phase `screening` that get more seeds, by name: three when all have been seen. */
const finalists = ['dense last 1:8 p=1/2'];

const screeningVariants = {
  dense: dense(),
  'dense lr=1e-3': dense({ 'learning-rate': 1e-3 }),
  'paper 1:8': paper('1:8'),
  'dense last 1:8': denseLast('1:8'),
  'dense last 1:8 p=1/2': mended('1:8'),
  'dense last 1:8 lr=1e-3': denseLast('1:8', { 'learning-rate': 1e-3 }),
  'dense last 1:8 p=1/2 gradient': mended('1:8', {
    'mask-rule': 'gradient',
    'drop-fraction': cosine,
  }),
  'dense last 1:8 p=1/2 variance': mended('1:8', { 'initial-scale': 'variance' }),
  'hidden 1:8 p=1/2': mended('1:8', { 'sparse-layers': 'hidden' }),
  'dense last 1:8 p=1/2 decay=1/2': mended('1:8', { 'dormant-decay': 0.5 }),
  'dense last 1:8 p=1/2 row-mean': mended('1:8', { 'new-moment': 'row-mean' }),
  'dense last 1:8 p=1': denseLast('1:8', { 'density-power': 1 }),
  'dense last 1:8 p=1/2 random': mended('1:8', {
    'mask-rule': 'random',
    'drop-fraction': cosine,
  }),
  'hidden 1:8 p=1/2 gradient': mended('1:8', {
    'sparse-layers': 'hidden',
    'mask-rule': 'gradient',
    'drop-fraction': cosine,
  }),
  'dense last 1:8 p=1/4 lr=1e-3': denseLast('1:8', {
    'density-power': 0.25,
    'learning-rate': 1e-3,
  }),
  'dense last 1:8 p=1/2 decay=0': mended('1:8', { 'dormant-decay': 0 }),
  'paper 1:4': paper('1:4'),
  'dense last 1:4 p=1/2': mended('1:4'),
  'paper 2:4': paper('2:4'),
  'dense last 2:4 p=1/2': mended('2:4'),
};

const studyVariants = {
  dense: (task) => dense(task.dense),
  '2:4': (task) => sparseNeeds('2:4', task.sparse),
  '1:4': (task) => sparseNeeds('1:4', task.sparse),
  '1:8': (task) => sparseNeeds('1:8', task.sparse),
};

/** Dense networks that are as small as those of 1:8: by active weights, and by multiplications. */
const matchedVariants = {
  'dense width 90': (task) => dense({ 'hidden-sizes': '90,90', ...task.dense }),
  'dense width 84': (task) => dense({ 'hidden-sizes': '84,84', ...task.dense }),
};

/** Seeds that choose and are not reported, and three more for the best of the screening. */
const selectionSeeds = [100, 101];
const finalSeeds = [200, 201, 202];

/** Tasks of `study` and `matched`, with their seeds. */
const studySeeds = {
  'HalfCheetah-v5': [0, 1, 2, 3, 4],
  'Hopper-v5': [0, 1, 2],
  'Walker2d-v5': [0, 1, 2],
  'Ant-v5': [0, 1, 2],
};

/** Every phase: what it is for, and its jobs without the name of the phase. */
export const phases = {
  selection: {
    purpose: 'which learning rate and n-step returns dense and sparse networks get on each task',
    jobs: () =>
      Object.keys(selected).flatMap((env) =>
        combine({ env, steps: 100_000, seeds: selectionSeeds, variants: gridVariants() }),
      ),
  },
  screening: {
    purpose: 'what sparse networks need',
    jobs: () => {
      const chosen = Object.entries(screeningVariants).filter(([name]) => finalists.includes(name));
      const base = { env: 'HalfCheetah-v5', steps: 100_000 };
      return [
        ...combine({ ...base, seeds: selectionSeeds, variants: screeningVariants }),
        ...combine({ ...base, seeds: finalSeeds, variants: Object.fromEntries(chosen) }),
      ];
    },
  },
  study: {
    purpose: 'whether N:M sparse networks learn as well as dense ones',
    jobs: () => combineByTask(studyVariants),
  },
  matched: {
    purpose: 'whether small dense networks do what 1:8 does',
    jobs: () => combineByTask(matchedVariants),
  },
};

/** Learning rates times n-step returns, dense and sparse. */
function gridVariants() {
  const variants = {};
  for (const [pattern, flags] of Object.entries(grid.patterns)) {
    for (const rate of grid.rates) {
      for (const n of grid.nSteps) {
        const settings = { ...flags, 'learning-rate': Number(rate), 'n-steps': n };
        variants[`${pattern} lr=${rate} n=${n}`] = settings;
      }
    }
  }
  return variants;
}

/** All tasks, each variant with what was selected for the task. */
function combineByTask(variants) {
  return Object.entries(studySeeds).flatMap(([env, seeds]) => {
    const settings = Object.entries(variants).map(([name, of]) => [name, of(selected[env])]);
    return combine({ env, steps: 300_000, seeds, variants: Object.fromEntries(settings) });
  });
}

function combine({ env, steps, seeds, variants }) {
  return seeds.flatMap((seed) =>
    Object.entries(variants).map(([variant, settings]) => ({
      env,
      variant,
      settings,
      seed,
      steps,
    })),
  );
}

/**
 * The jobs of all phases or of some, seed by seed, so that what is there at any time compares like
 * with like.
 *
 * @param options.phase only this one
 * @param options.only only jobs whose name contains this
 * @param options.steps a few steps in place of the plan's, to try things out: warm-up and
 *   evaluations are scaled with them
 * @returns jobs of phase, env, variant, settings, seed and steps
 */
export function listJobs({ phase, only = '', steps } = {}) {
  if (phase !== undefined && !Object.hasOwn(phases, phase)) {
    throw new RangeError(`Expected a phase of ${Object.keys(phases).join(', ')}, not "${phase}"`);
  }
  const names = phase === undefined ? Object.keys(phases) : [phase];
  return names
    .flatMap((name) => bySeed(phases[name].jobs()).map((job) => ({ phase: name, ...job })))
    .map((job) => (steps === undefined ? job : shorten(job, steps)))
    .filter((job) => jobName(job).includes(only));
}

/** The first seed of every task comes first, whatever number it has. */
function bySeed(jobs) {
  return jobs.toSorted((a, b) => a.seed - b.seed);
}

function shorten(job, steps) {
  return { ...job, steps, settings: { ...job.settings, 'learning-starts': Math.ceil(steps / 5) } };
}

/** Jobs, or what belongs to jobs, by task: pairs of its name and a list, in the order of the first. */
export function byTask(items) {
  const tasks = new Map();
  for (const item of items) tasks.set(item.env, [...(tasks.get(item.env) ?? []), item]);
  return [...tasks];
}

/** What a person calls a job. */
export function jobName({ phase, env, variant, seed }) {
  return `${phase} ${env} ${variant} seed ${seed}`;
}

/** What makes two jobs the same run, whatever phase and variant call it. */
export function identity({ env, settings, seed, steps }) {
  const flags = Object.entries(settings).map(([name, value]) => [name, canonical(value)]);
  return JSON.stringify([env, flags.toSorted(([a], [b]) => (a < b ? -1 : 1)), seed, steps]);
}

/** Phases may share a run: the first job of each. */
export function distinctJobs(jobs) {
  const seen = new Set();
  return jobs.filter((job) => seen.size < seen.add(identity(job)).size);
}

/** A number is the same however it is written. */
function canonical(value) {
  return Number.isNaN(Number(value)) ? String(value) : String(Number(value));
}

/**
 * The command line of a job after `rnm-td3`, without where it writes.
 *
 * @param job as `listJobs` gives it
 * @param options.preset pass `presetFlags`. Default: true
 */
export function jobArguments({ env, settings, seed, steps }, { preset = true } = {}) {
  const evaluations = steps < leastSteps ? shortEvaluations(steps) : {};
  const flags = { ...(preset ? presetFlags : {}), ...settings, seed, steps };
  return ['train', env, ...flagArguments({ ...flags, ...commonFlags, ...evaluations })];
}

/** Ten evaluations, as in a run of 100,000 steps, but of one episode. */
function shortEvaluations(steps) {
  return { 'eval-interval': Math.ceil(steps / 10), 'eval-episodes': 1 };
}

/** Flags and their values as a command line has them. */
export function flagArguments(flags) {
  return Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
}
