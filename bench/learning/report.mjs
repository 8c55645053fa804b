/** Writes docs/results.md with its pictures. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { makeEnv, renderLearningCurve } from '../../dist/index.js';
import { attachRecords, distinct, runsOf } from './analysis.mjs';
import { describePage } from './page.mjs';
import { byTask } from './plan.mjs';

/**
 * Write the page about what there is.
 *
 * @param jobs of all phases, as `listJobs` gives them
 * @param options.docs folder of the page
 * @param options others of `describePage`, but for date, pictures and sizes
 */
export async function writeReport(jobs, { docs, ...options }) {
  const date = new Date().toISOString().slice(0, 10);
  const runs = attachRecords(jobs, options.records).filter(({ phase }) => phase === 'study');
  const pictures = await drawTasks(runs, docs);
  const sizes = await sizesOf(distinct(jobs, 'env'));
  const page = describePage(jobs, { ...options, date, pictures, sizes });
  save(join(docs, 'results.md'), await format(page, { parser: 'markdown' }));
}

/** Lengths of observations and actions by task. */
async function sizesOf(envs) {
  const sizes = {};
  for (const id of envs) {
    const env = await makeEnv(id);
    sizes[id] = { observationSize: env.observationSize, actionSize: env.actionSize };
    env.close();
  }
  return sizes;
}

/** One picture for each task that has runs; returns their names by task. */
async function drawTasks(runs, docs) {
  const pictures = {};
  mkdirSync(join(docs, 'images'), { recursive: true });
  for (const [env, of] of byTask(runs)) {
    const series = distinct(of, 'variant')
      .map((label) => ({ label, runs: runsOf(of, label).map(curveOf) }))
      .filter((each) => each.runs.length > 0);
    if (series.length === 0) continue;
    const { png } = await renderLearningCurve({ title: env, series });
    pictures[env] = `images/learning-${env.toLowerCase()}.png`;
    save(join(docs, pictures[env]), png);
  }
  return pictures;
}

function curveOf({ record: { curve } }) {
  return curve.steps.map((step, i) => ({ step, value: curve.returns[i] }));
}

function save(path, content) {
  writeFileSync(path, content);
  console.log(`wrote ${path}`);
}
