/** docs/results.md with its pictures, and the same figures as JSON. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { format } from 'prettier';
import { packageVersion, renderLearningCurve } from '../../dist/index.js';
import { jobArguments } from './jobs.mjs';

/** Write everything about `results`, as `readResult` gives them. */
export async function writeReport(results, { docs, results: folder, jobs, note }) {
  const tasks = Object.entries(groupByTask(results));
  const images = join(docs, 'images');
  mkdirSync(images, { recursive: true });
  for (const [env, runs] of tasks) {
    const { png } = await drawTask(env, runs);
    save(join(images, imageName(env)), png);
  }
  const date = new Date().toISOString().slice(0, 10);
  const machine = { cpu: cpus()[0]?.model.trim(), cores: cpus().length, node: process.version };
  const context = { date, machine, version: packageVersion, atOnce: Number(jobs), note };
  const text = [describePage(context), ...tasks.map(([env, runs]) => describeTask(env, runs))];
  save(join(docs, 'results.md'), await format(text.join('\n\n'), { parser: 'markdown' }));
  mkdirSync(folder, { recursive: true });
  const figures = JSON.stringify({ ...context, runs: results.map(toFigures) });
  save(join(folder, `learning-${date}.json`), await format(figures, { parser: 'json' }));
}

function groupByTask(results) {
  const groups = {};
  for (const result of results) (groups[result.env] ??= []).push(result);
  return groups;
}

function save(path, content) {
  writeFileSync(path, content);
  console.log(`wrote ${path}`);
}

function imageName(env) {
  return `learning-${env.toLowerCase()}.png`;
}

function patternsOf(runs) {
  return [...new Set(runs.map(({ sparsity }) => sparsity))];
}

function drawTask(env, runs) {
  const series = patternsOf(runs).map((label) => ({
    label,
    runs: runs
      .filter(({ sparsity }) => sparsity === label)
      .map(({ summary }) =>
        summary.evaluations.map(({ step, mean, min, max }) => {
          return { step, value: mean, low: min, high: max };
        }),
      ),
  }));
  return renderLearningCurve({ title: env, series });
}

function describePage({ date, machine, version, atOnce, note }) {
  return `# Results

Returns after training: means of 10 noise-free episodes at the last step. Hyperparameters are the
defaults but for those in the command below a table. Every network (actor, both critics and their targets)
keeps its pattern from the first step to the last. "Of dense" compares the mean over a pattern's seeds
with that of dense networks over the same seeds. The policy of a single step can be far from that of its
neighbours: "last five" is the mean of a run's last five evaluations, over the same seeds.

Written by \`node bench/learning/results.mjs\` (version ${version}, ${date}), which trains all of it
again, or one run by the command below each table. It ran ${atOnce} at a time, with one thread each, on
${machine.cpu} (${machine.cores} cores), Node ${machine.node}. Returns do not depend on the number of
threads; speed does, and on whatever else the machine was doing, so it is measured elsewhere.

${note}`;
}

function describeTask(env, runs) {
  const seeds = [...new Set(runs.map(({ seed }) => seed))].toSorted((a, b) => a - b);
  const of = (pattern, seedsOf) =>
    runs.filter((run) => run.sparsity === pattern && seedsOf.includes(run.seed));
  const head = ['Pattern', ...seeds.map((seed) => `Seed ${seed}`), 'Mean', 'Of dense'];
  head.push('Last five', 'Of dense');
  const rows = patternsOf(runs).map((pattern) => {
    const group = of(pattern, seeds);
    const seedsOf = group.map(({ seed }) => seed);
    const dense = of('dense', seedsOf);
    const bySeed = seeds.map((seed) => whole(meanReturn(of(pattern, [seed]))));
    const shares = [meanReturn, meanOfLast].flatMap((mean) => [
      whole(mean(group)),
      dense.length === group.length ? percent(mean(group) / mean(dense)) : '–',
    ]);
    return [pattern, ...bySeed, ...shares];
  });
  const [example] = runs.filter(({ sparsity }) => sparsity !== 'dense').concat(runs);
  const { steps, comparison } = example;
  const command = jobArguments(example).slice(0, -2).join(' ');
  return `## ${env}, ${whole(steps)} steps

${table(head, rows)}

${comparison}

![Return of ${env} against environment steps](images/${imageName(env)})

\`\`\`sh
npx rnm-td3 ${command}
\`\`\``;
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, i) => (i === 0 ? ':--' : '--:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

function toFigures({ env, sparsity, seed, steps, settings, summary }) {
  const { finalEvaluation, evaluations } = summary;
  return {
    env,
    sparsity,
    seed,
    steps,
    settings,
    return: finalEvaluation.mean,
    returns: finalEvaluation.returns,
    curve: evaluations.map(({ step, mean, min, max }) => ({ step, mean, min, max })),
  };
}

function meanReturn(runs) {
  return average(runs.map(({ summary }) => summary.finalEvaluation.mean));
}

/** Mean of the last five evaluations. */
function meanOfLast(runs) {
  return average(
    runs.map(({ summary }) => average(summary.evaluations.slice(-5).map(({ mean }) => mean))),
  );
}

function average(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function whole(value) {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '–';
}

function percent(ratio) {
  return Number.isFinite(ratio) ? `${(100 * ratio).toFixed(0)}%` : '–';
}
