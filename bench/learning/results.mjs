/**
 * Train the runs of docs/results.md and write its tables and pictures.
 *
 *   node bench/learning/results.mjs            everything; takes hours
 *   node bench/learning/results.mjs --help     what can be chosen
 *
 * Runs that are finished in the runs folder are not done again, so that the script can be ended
 * and started again at any time.
 */
import { parseArgs } from 'node:util';
import { listJobs, readFigures, readResult, runJobs } from './jobs.mjs';
import { writeReport } from './report.mjs';

const help = `node bench/learning/results.mjs [options]

  --jobs <count>      runs at a time, one thread each (default 2)
  --runs <folder>     where the run folders are (default runs/learning)
  --docs <folder>     where results.md and images/ go (default docs)
  --results <folder>  where the figures go as JSON (default bench/results)
  --only <text>       run only jobs whose name contains this, e.g. Hopper-v5 or seed0
  --steps <count>     steps of every run instead of the usual ones, to try things out
  --also <file>       take runs that are not in the runs folder from an earlier JSON of figures
  --note <text>       a remark for results.md, e.g. which commit the runs are from
  --report-only       run nothing, write the report of what is finished`;

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '2' },
    runs: { type: 'string', default: 'runs/learning' },
    docs: { type: 'string', default: 'docs' },
    results: { type: 'string', default: 'bench/results' },
    only: { type: 'string', default: '' },
    steps: { type: 'string' },
    also: { type: 'string' },
    note: { type: 'string', default: '' },
    'report-only': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(help);
} else {
  const steps = values.steps === undefined ? undefined : Number(values.steps);
  const jobs = listJobs(values.runs, steps);
  const wanted = jobs.filter(({ name }) => name.includes(values.only));
  if (!values['report-only']) await runJobs(wanted, Number(values.jobs));
  const earlier = values.also === undefined ? () => undefined : readFigures(values.also);
  const results = jobs
    .map((job) => readResult(job) ?? earlier(job))
    .filter((result) => result !== undefined);
  const missing = jobs.length - results.length;
  if (missing > 0) console.error(`${missing} of ${jobs.length} runs are not finished`);
  if (results.length > 0) await writeReport(results, values);
  process.exitCode = missing > 0 ? 1 : 0;
}
