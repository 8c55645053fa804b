/** The text of docs/results.md. Whatever it says of numbers is made from them. */
import {
  Study,
  activeWeights,
  attachRecords,
  distinct,
  matchedPattern,
  meanScore,
  reference,
  runsOf,
} from './analysis.mjs';
import { lastReturn, scoreOf } from './curves.mjs';
import { list, none, ratio, table, whole, withEnds } from './markdown.mjs';
import { byTask, distinctJobs, flagArguments, jobArguments, phases, selected } from './plan.mjs';
import { mean } from './statistics.mjs';

/**
 * The whole page.
 *
 * @param jobs of all phases, as `listJobs` gives them
 * @param options.records as `readRecords` gives them
 * @param options.speed as `readSpeed` gives it, or undefined
 * @param options.date of the page
 * @param options.preset the runs passed `--preset none`
 * @param options.pictures names of the tasks' pictures by task, from the page's folder
 * @param options.sizes observationSize and actionSize by task
 * @param options.resamples of each bootstrap. Default: that of `withInterval`
 */
export function describePage(jobs, { records, speed, date, preset, pictures, sizes, resamples }) {
  const runs = attachRecords(jobs, records);
  const of = (...names) => runs.filter(({ phase }) => names.includes(phase));
  const study = new Study(of('study', 'matched'), speed, { resamples });
  const started = study.tasks.filter((env) =>
    hasEnded(study.runs.filter((run) => run.env === env)),
  );
  const sections = [
    describeOrigin(runs, speed, date),
    ...(started.length > 0 ? describeStudy(study, speed) : []),
    ...started.map((env) => describeTask(study, env, { pictures, preset, sizes })),
    ...(hasEnded(of('selection')) ? [describeSelection(of('selection'))] : []),
    ...(hasEnded(of('screening')) ? [describeScreening(of('screening'))] : []),
    method,
  ];
  return sections.join('\n\n');
}

const method = `## How the figures are made

- **Score** of a run: the mean return of its evaluations in the last sixth of its steps, at least three, each
  of 10 episodes without noise. The policy of a single step can be far from that of its neighbours.
- **Of dense**: scores divided by the mean score of the task's dense runs, and of those the interquartile
  mean: the mean without the lowest and the highest quarter, each rounded down to whole runs, as
  \`scipy.stats.trim_mean(scores, 0.25)\` has it. Over several tasks their runs are pooled (Agarwal et al. 2021,
  [arXiv 2108.13264](https://arxiv.org/abs/2108.13264)). Of three runs nothing is left out.
- **Intervals** are of 95%, by the percentile bootstrap with 10,000 resamples in which runs are drawn within
  each task. Dense's runs are drawn as well, since their mean is known from as few; the interval of dense
  itself is therefore the one that a method just as good would have. With three to five runs of a task such
  intervals tend to be too short.
- **More than dense**: the probability that a run gets a higher score than a dense one, of all pairs of a task,
  and its mean over tasks; 0.5 where there is no difference.
- **Seconds** are steps after warm-up times the seconds of a training step, which are measured by
  themselves, one variant after the other in turns, on one thread. **At equal seconds** compares what every
  variant has reached in the time in which the fastest has done all its steps.
- **Seconds to dense's final return**: until the mean curve of a variant, each point the mean of as many
  evaluations as make a score, first is at dense's last point, linear between points.
- **Active weights** are those of the actor and of one critic at the end, without biases.
- A run that broke down has no score, and counts as one that is missing.`;

/** Whether there is anything to tell of. */
function hasEnded(runs) {
  return runs.some(({ record, failure }) => record !== undefined || failure !== undefined);
}

function describeOrigin(runs, speed, date) {
  const once = distinctJobs(runs);
  const planned = Object.entries(phases).map(([name, { purpose }]) => {
    const jobs = runs.filter(({ phase }) => phase === name);
    const done = jobs.filter(({ record }) => record !== undefined).length;
    return [name, purpose, describeEnvs(jobs), whole(done), whole(jobs.length)];
  });
  return `# Results

Whether networks that are N:M sparse from the first step to the last learn as well as dense ones, and which
settings they need. Seeds that choose settings are not among those that are reported.

${table(['Phase', 'Finds out', 'Runs of', 'Done', 'Planned'], planned, ['Finds out', 'Runs of'])}

${describeState(once)} ${describeMachines(once)} ${describeSpeedFile(speed)}

Written by \`node bench/learning/study.mjs report\` (${date}) from [the figures of every
run](../bench/results/learning). \`node bench/learning/study.mjs run\` does all runs that are not there, and
\`node bench/learning/study.mjs speed\` times training steps; [the plan](../bench/learning/plan.mjs) says which
runs there are. [How the figures are made](#how-the-figures-are-made) is at the end.`;
}

/** How much of the plan is done. */
function describeState(runs) {
  const broken = runs.filter(({ failure }) => failure !== undefined).length;
  const missing = runs.filter(({ record }) => record === undefined).length - broken;
  const state =
    missing === 0
      ? `All ${runs.length} planned runs are done.`
      : `**${missing} of ${runs.length} planned runs are missing.**`;
  return broken === 0 ? state : `${state} ${broken} broke down.`;
}

/** Tasks with their seeds and steps; those that have the same together. */
function describeEnvs(jobs) {
  const groups = new Map();
  for (const [env, each] of byTask(jobs)) {
    const how = `seeds ${describeSeeds(each)}, ${whole(each[0].steps)} steps`;
    groups.set(how, [...(groups.get(how) ?? []), env]);
  }
  return [...groups].map(([how, envs]) => `${list(envs)}: ${how}`).join('; ');
}

/** "0–4", or "200, 202" where there are gaps. */
function describeSeeds(jobs) {
  const seeds = distinct(jobs, 'seed').toSorted((a, b) => a - b);
  const [first, last] = [seeds[0], seeds.at(-1)];
  return last - first === seeds.length - 1 && last > first ? `${first}–${last}` : seeds.join(', ');
}

/** Commits and machines with how many runs are from each. */
function describeMachines(runs) {
  const records = runs.flatMap(({ record }) => record ?? []);
  if (records.length === 0) return 'No run has ended yet.';
  const count = (label) => {
    const labels = records.map(label);
    const counted = [...new Set(labels)].map((each) => {
      return `${each} (${labels.filter((other) => other === each).length} runs)`;
    });
    return list(counted);
  };
  return (
    `Commits: ${count(({ commit }) => commit ?? 'unknown')}; a "+" is a commit with changes. ` +
    `Machines: ${count(({ cpu, isa, node }) => `${cpu} with ${isa} kernels, Node ${node}`)}.`
  );
}

function describeSpeedFile(speed) {
  if (speed === undefined) return 'Training steps have not been timed yet.';
  const { file, cpu, isa, commit, date, variants } = speed;
  const disturbed = variants.filter(({ quiet }) => !quiet).length;
  const how = disturbed === 0 ? '' : `; ${disturbed} of ${variants.length} while others used it`;
  return (
    `Training steps were timed on ${cpu} with ${isa} kernels (commit ${commit ?? 'unknown'}, ` +
    `${date}${how}): [${file}](../bench/results/learning/${file}).`
  );
}

function describeStudy(study, speed) {
  const parts = [describeTargets(study), describeAggregates(study)];
  return speed === undefined ? parts : [...parts, describeSeconds(study)];
}

function describeTargets(study) {
  const rows = study
    .targets()
    .map((target) =>
      target.least === undefined ? describeSecondsTarget(target) : describeIqmTarget(target),
    );
  return `## Targets

${table(['Target', 'Measured', 'Verdict'], rows, ['Measured', 'Verdict'])}`;
}

function describeIqmTarget({ variant, least, leastLow, measured, verdict }) {
  const goal = `at least ${ratio(least)} of dense, interval above ${ratio(leastLow)}`;
  return [`${variant}: ${goal}`, withEnds(measured), verdict];
}

function describeSecondsTarget({ variant, share, shares, verdict }) {
  const goal = `${variant}: as good as dense in the end in at most ${ratio(share)} of its seconds, on every task`;
  const measured = shares.map((each) => `${each.env} ${describeShare(each.share)}`).join(', ');
  return [goal, measured, verdict];
}

function describeShare(share) {
  return share === Infinity ? 'not reached' : ratio(share);
}

function describeAggregates(study) {
  const head = ['Variant', 'Runs', 'Of dense, equal steps', 'Of dense, equal seconds'];
  const rows = study.variants.map((variant) => [
    variant,
    describeCount(study.runs.filter((run) => run.variant === variant)),
    withEnds(study.atEqualSteps(variant)),
    withEnds(study.atEqualSeconds(variant)),
    withEnds(study.improvement(variant)),
  ]);
  const left = study.tasks.filter((env) => !study.comparableTasks.includes(env));
  const why = 'not all dense runs have a positive score there, or none has ended';
  const leftOut = left.length === 0 ? '' : `\n\nLeft out: ${list(left)} (${why}).`;
  return `## All tasks

Interquartile means over the runs of ${list(study.comparableTasks) || 'no task yet'}, with 95% intervals; 1.00 is the mean of dense.
"Dense width" are dense networks as small as those of ${matchedPattern}. The tables of the tasks have the flags of each
variant.

${table([...head, 'More than dense'], rows)}${leftOut}

${describeDifferences('At equal steps', study, (variant) => study.atEqualSteps(variant))}
${describeDifferences('At equal seconds', study, (variant) => study.atEqualSeconds(variant))}
${describeMatched(study)}`;
}

/** The sparse networks beside dense ones of their size. */
function describeMatched(study) {
  const small = distinct(
    study.runs.filter(({ phase }) => phase === 'matched'),
    'variant',
  );
  const lines = small.flatMap((variant) => {
    const { share, improvement } = study.against(matchedPattern, variant);
    if (share === undefined) return [];
    const more = `more than it with probability ${withEnds(improvement)}`;
    return [`- ${matchedPattern} against ${variant}: ${withEnds(share)} of its score, ${more}.`];
  });
  return lines.join('\n');
}

function describeCount(runs) {
  const done = runs.filter(({ record }) => record !== undefined).length;
  return done === runs.length ? whole(done) : `${done} of ${runs.length}`;
}

/** Which differences from dense are significant, and which are not. */
function describeDifferences(where, study, measure) {
  const others = study.variants.filter((variant) => variant !== reference);
  const measured = others.map((variant) => ({ variant, ...measure(variant) }));
  const groups = [
    {
      text: 'the difference from dense is not significant (the interval contains 1.0)',
      holds: ({ low, high }) => low <= 1 && high >= 1,
    },
    { text: 'less than dense, significantly', holds: ({ high }) => high < 1 },
    { text: 'more than dense, significantly', holds: ({ low }) => low > 1 },
    { text: 'not known, for lack of runs or times', holds: ({ low }) => low === undefined },
  ];
  const parts = groups.flatMap(({ text, holds }) => {
    const names = measured.filter(holds).map(({ variant }) => variant);
    return names.length === 0 ? [] : [`${list(names)}: ${text}`];
  });
  return `- ${where}: ${parts.join('. ')}.`;
}

function describeSeconds(study) {
  const rows = study.variants.map((variant) => [
    variant,
    ...study.tasks.map((env) => describeReaching(study, variant, env)),
  ]);
  return `## Seconds to dense's final return

Seconds of training, and their share of what dense needs for it.

${table(['Variant', ...study.tasks], rows)}`;
}

function describeReaching(study, variant, env) {
  const seconds = study.secondsToReference(variant, env);
  if (seconds === undefined) return none;
  if (seconds === Infinity) return 'not reached';
  return `${whole(seconds)} (${ratio(seconds / study.secondsToReference(reference, env))})`;
}

function describeTask(study, env, { pictures, preset, sizes }) {
  const runs = study.runs.filter((run) => run.env === env);
  const seeds = distinct(runs, 'seed').toSorted((a, b) => a - b);
  const rows = distinct(runs, 'variant').map((variant) => {
    const of = runs.filter((run) => run.variant === variant);
    return [variant, ...scoreCells(of, seeds), ...taskCells(study, of, sizes[env])];
  });
  const head = ['Variant', ...seeds.map((seed) => `Seed ${seed}`), 'Mean', 'Last return'];
  const compared = ['Of dense', 'More than dense', 'Steps/s', 'Active weights', 'Flags'];
  const example = runs.find(({ variant }) => variant !== reference) ?? runs[0];
  const picture =
    pictures[env] === undefined
      ? ''
      : `![Return of ${env} against environment steps](${pictures[env]})\n\n`;
  return `## ${env}, ${whole(runs[0].steps)} steps

${table([...head, ...compared], rows, ['Flags'])}

${describeDifferences('At equal steps', study, (variant) => study.atEqualSteps(variant, env))}
${describeDifferences('At equal seconds', study, (variant) => study.atEqualSeconds(variant, env))}

${picture}\`\`\`sh
npx rnm-td3 ${shellWords(jobArguments(example, { preset }))}
\`\`\``;
}

/** What a task's table has of a variant besides its scores. */
function taskCells(study, runs, sizes) {
  const [{ variant, env, settings }] = runs;
  const seconds = study.secondsPerStep(runs[0]);
  return [
    withEnds(study.atEqualSteps(variant, env)),
    withEnds(study.improvement(variant, env)),
    seconds === undefined ? none : whole(1 / seconds),
    describeWeights(runsOf(runs, variant)[0], sizes),
    describeFlags(settings),
  ];
}

/** Of the actor and of one critic, with what digits the density of a record has. */
function describeWeights(run, sizes) {
  const weights = run === undefined ? undefined : activeWeights(run, sizes);
  if (weights === undefined) return none;
  const short = (count) => whole(Number(count.toPrecision(3)));
  return `${short(weights.actor)} and ${short(weights.critic)}`;
}

/** Score of each seed, their mean, and the mean of the last returns. */
function scoreCells(runs, seeds) {
  const done = runsOf(runs, runs[0].variant);
  const last = done.length === 0 ? NaN : mean(done.map(({ record }) => lastReturn(record)));
  return [
    ...seeds.map((seed) => scoreCell(runs.find((run) => run.seed === seed))),
    whole(meanScore(done)),
    whole(last),
  ];
}

function scoreCell(run) {
  if (run?.failure !== undefined) return `broke down at step ${whole(run.failure.step)}`;
  return run?.record === undefined ? none : whole(scoreOf(run.record));
}

function describeFlags(settings) {
  return `\`${shellWords(flagArguments(settings))}\``;
}

/** A command line that a shell reads as these arguments. */
function shellWords(args) {
  return args.map((word) => (/^[\w.,:=/-]+$/.test(word) ? word : `'${word}'`)).join(' ');
}

function describeSelection(runs) {
  const tasks = byTask(runs)
    .filter(([, of]) => hasEnded(of))
    .map(([env, of]) => describeCandidates(env, of));
  return `## Selection

Scores of the candidates on seeds that are not reported, ${whole(runs[0].steps)} steps. The best mean of dense
and of sparse networks is in bold; "study" are the settings that the study uses.

${tasks.join('\n\n')}`;
}

function describeCandidates(env, runs) {
  const seeds = distinct(runs, 'seed');
  const kinds = ['dense', 'sparse'].flatMap((kind) => {
    const variants = byScore(runs.filter((run) => kindOf(run) === kind));
    return variants.map((of, i) => {
      const best = i === 0 && rankingScore(of) > -Infinity;
      const [variant, ...cells] = [of[0].variant, ...scoreCells(of, seeds)];
      const name = best ? `**${variant}**` : variant;
      return [
        name,
        ...cells,
        isSelected(of[0], kind) ? 'study' : '',
        describeFlags(of[0].settings),
      ];
    });
  });
  const head = [
    'Variant',
    ...seeds.map((seed) => `Seed ${seed}`),
    'Mean',
    'Last return',
    'Used',
    'Flags',
  ];
  return `### ${env}\n\n${table(head, kinds, ['Used', 'Flags'])}${describeWaiting(runs)}`;
}

function kindOf({ settings }) {
  return settings.sparsity === 'dense' ? 'dense' : 'sparse';
}

/** Whether the study uses what a candidate of the grid has. */
function isSelected({ env, settings }, kind) {
  const chosen = selected[env][kind];
  return ['learning-rate', 'n-steps'].every(
    (flag) => Number(chosen[flag]) === Number(settings[flag]),
  );
}

/** Variants that no table has yet. */
function describeWaiting(runs) {
  const waiting = distinct(runs, 'variant').filter(
    (variant) => !hasEnded(runs.filter((run) => run.variant === variant)),
  );
  return waiting.length === 0 ? '' : `\n\nWithout a run yet: ${list(waiting)}.`;
}

/** The runs of each variant that has any, best mean first; last those with one that broke down. */
function byScore(runs) {
  return distinct(runs, 'variant')
    .map((variant) => runs.filter((run) => run.variant === variant))
    .filter(hasEnded)
    .map((of) => ({ of, score: rankingScore(of) }))
    .toSorted((a, b) => (a.score === b.score ? 0 : b.score - a.score))
    .map(({ of }) => of);
}

function rankingScore(runs) {
  const broken = runs.some(({ failure }) => failure !== undefined);
  const score = broken ? NaN : meanScore(runsOf(runs, runs[0].variant));
  return Number.isNaN(score) ? -Infinity : score;
}

function describeScreening(runs) {
  const seeds = distinct(runs, 'seed').toSorted((a, b) => a - b);
  const dense = meanScore(runsOf(runs, reference));
  const rows = byScore(runs).map((of) => {
    const cells = scoreCells(of, seeds);
    const share = ratio(meanScore(runsOf(of, of[0].variant)) / dense);
    return [of[0].variant, ...cells, share, describeFlags(of[0].settings)];
  });
  const head = ['Variant', ...seeds.map((seed) => `Seed ${seed}`), 'Mean', 'Last return'];
  const [{ env, steps }] = runs;
  return `## Screening

Everything that was tried on ${env}, ${whole(steps)} steps, by mean score; "of dense" compares means of all
seeds there are, with dense networks at the defaults.

${table([...head, 'Of dense', 'Flags'], rows, ['Flags'])}${describeWaiting(runs)}`;
}
