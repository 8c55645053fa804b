import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { temporaryFolders } from '../support/temporary-folder.js';

interface Job {
  phase: string;
  env: string;
  variant: string;
  settings: Record<string, string | number>;
  seed: number;
  steps: number;
}
interface Options {
  records: Map<string, object>;
  speed?: object | undefined;
  preset: boolean;
  resamples: number;
}

const { identity, listJobs } = (await import('../../bench/learning/plan.mjs' as string)) as {
  identity: (job: Job) => string;
  listJobs: (options?: { phase?: string; only?: string }) => Job[];
};
const { describePage } = (await import('../../bench/learning/page.mjs' as string)) as {
  describePage: (
    jobs: Job[],
    options: Options & { date: string; pictures: object; sizes: object },
  ) => string;
};
const { writeReport } = (await import('../../bench/learning/report.mjs' as string)) as {
  writeReport: (jobs: Job[], options: Options & { docs: string }) => Promise<void>;
};
const { readSpeed, writeSpeed } = (await import('../../bench/learning/speed.mjs' as string)) as {
  readSpeed: (folder: string) => { secondsPerStep: (job: Job) => number | undefined } | undefined;
  writeSpeed: (folder: string, figures: object) => string;
};

const temporaryFolder = temporaryFolders();
const jobs = listJobs();
/** Phases may share a run. */
const planned = new Set(jobs.map(identity)).size;

/** The mean return that a variant ends at, as a share of dense. */
const shares: Record<string, number> = { dense: 1, '2:4': 1.2, '1:4': 1, '1:8': 0.6 };

/** A run that gets better by as much in every step, and ends at about 1,000 times `share`. */
function recordOf(job: Job, share = shares[job.variant] ?? 0.5): object {
  const steps = Array.from({ length: job.steps / 1e4 }, (_, i) => 1e4 * (i + 1));
  // Seeds differ by some percent.
  const end = 1000 * share * (1 + 0.02 * (job.seed % 3));
  return {
    ...job,
    curve: { steps, returns: steps.map((step) => (end * step) / job.steps), seconds: steps },
    metrics: { 'density/actor': 0.5, 'density/critic1': 0.25 },
    commit: 'abc1234',
    cpu: 'A CPU',
    isa: 'avx2',
    node: 'v20.0.0',
  };
}

const sizes = new Proxy({}, { get: () => ({ observationSize: 4, actionSize: 2 }) });

function pageOf(records: Map<string, object>, speed?: object): string {
  const options = { records, speed, date: '2030-01-02', preset: true, pictures: {}, sizes };
  return describePage(jobs, { ...options, resamples: 300 });
}

function recordsOf(some: Job[], share?: number): Map<string, object> {
  return new Map(some.map((job) => [identity(job), recordOf(job, share)]));
}

/** Cells of the table row that begins with a name, after a heading. */
function row(page: string, heading: string, name: string): string[] {
  const section = page.slice(page.indexOf(`\n${heading}`));
  const line = section.split('\n').find((each) => each.startsWith(`| ${name} |`)) ?? '';
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

describe('a page about all runs', () => {
  let page = '';
  beforeAll(() => {
    page = pageOf(recordsOf(jobs), fakeSpeed());
  });

  /** Sparse networks are twice as fast as dense ones of any width. */
  function fakeSpeed(): object {
    const secondsPerStep = ({ settings }: Job) => (settings['sparsity'] === 'dense' ? 0.02 : 0.01);
    return { file: 'speed.json', cpu: 'A CPU', isa: 'avx2', variants: [], secondsPerStep };
  }

  test('says that nothing is missing, and where it is from', () => {
    expect(page).toContain(`All ${planned} planned runs are done.`);
    expect(page).toContain(`abc1234 (${planned} runs)`);
  });

  test('has the scores of seeds, their mean, the last return and the flags', () => {
    // The mean of the evaluations at 260,000 to 300,000 of 300,000 steps is 14/15 of the end.
    const cells = row(page, '## Hopper-v5', '1:8');
    expect(cells.slice(1, 6)).toEqual(['560', '571', '582', '571', '612']);
    expect(cells[6]).toMatch(/^0\.60 \(0\.\d\d to 0\.\d\d\)$/);
    expect(cells.slice(7, 9)).toEqual(['0.00 (0.00 to 0.00)', '100']);
    // 4, 256, 256 and 2, and 6, 256, 256 and 1 units, of which a half and a quarter are active.
    expect(cells[9]).toBe('33,500 and 16,800');
    expect(cells[10]).toMatch(/^`--sparsity 1:8 /);
  });

  test('compares at equal steps, and at equal seconds with what dense had until then', () => {
    const [, runs, steps, seconds, improvement] = row(page, '## All tasks', '2:4');
    expect(runs).toBe('14');
    expect(steps).toMatch(/^1\.20 \(1\.\d\d to 1\.\d\d\)$/);
    expect(improvement).toBe('1.00 (1.00 to 1.00)');
    // In the time of 300,000 sparse steps, 10,000 of them warm-up, dense takes 155,000: evaluations
    // until 150,000, whose mean is that at 130,000, and not at 280,000 as that of the others.
    expect(Number(seconds?.split(' ')[0])).toBeCloseTo((1.2 * 280) / 130, 1);
  });

  test('says which differences are significant and which are not', () => {
    const section = page.slice(page.indexOf('\n## All tasks'));
    const [line] = /- At equal steps:.*/.exec(section) ?? [''];
    expect(line).toContain('1:4: the difference from dense is not significant');
    expect(line).toMatch(/1:8, dense width \d+.*: less than dense, significantly/);
    expect(line).toContain('2:4: more than dense, significantly');
  });

  test('compares 1:8 with dense networks of its size', () => {
    // Which get 0.5 of dense here, and 1:8 gets 0.6.
    expect(page).toMatch(
      /\n- 1:8 against dense width \d+: 1\.20 \(1\.\d\d to 1\.\d\d\) of its score, more than it with probability 1\.00 /,
    );
  });

  test('judges the targets', () => {
    expect(row(page, '## Targets', '2:4: at least 1.00 of dense, interval above 0.85')[2]).toBe(
      'met',
    );
    expect(row(page, '## Targets', '1:8: at least 0.95 of dense, interval above 0.85')[2]).toBe(
      'missed',
    );
    expect(page).toMatch(
      /at most 0\.50 of its seconds, on every task \| HalfCheetah-v5 not reached.* missed \|/,
    );
  });

  test("counts seconds until dense's final return, at half the time where steps are", () => {
    const heading = "## Seconds to dense's final return";
    expect(row(page, heading, 'dense')[2]).toBe('5,800 (1.00)');
    expect(row(page, heading, '1:4')[2]).toBe('2,900 (0.50)');
    expect(row(page, heading, '1:8')[2]).toBe('not reached');
    // 20,000 steps before the mean of five evaluations, which is 1.2 times as high.
    const step = 280_000 / 1.2 + 20_000;
    const seconds = ((step - 10_000) / 100).toLocaleString('en-US', { maximumFractionDigits: 0 });
    expect(row(page, heading, '2:4')[2]).toMatch(new RegExp(`^${seconds} `));
  });

  test('lists every variant of the other phases', () => {
    for (const phase of ['selection', 'screening']) {
      for (const { variant } of listJobs({ phase }))
        expect(page).toMatch(new RegExp(`\\| (\\*\\*)?${variant}(\\*\\*)? \\|`));
    }
  });
});

describe('a page about some runs', () => {
  test('says how many are missing, and judges nothing', () => {
    const some = jobs.filter(({ phase, seed }) => phase === 'study' && seed === 0);
    const page = pageOf(recordsOf(some));
    expect(page).toContain(`**${planned - some.length} of ${planned} planned runs are missing.**`);
    expect(page).toMatch(/too few runs/);
    expect(page).not.toMatch(/\| (met|missed) \|/);
    expect(row(page, '## All tasks', '1:8').slice(1, 4)).toEqual(['4 of 14', '0.60', '–']);
    expect(page).toContain('not known, for lack of runs or times');
    expect(page).not.toMatch(/significan/);
    expect(page).not.toContain('\n## Selection');
  });

  test('works without any', () => {
    const page = pageOf(new Map());
    expect(page).toContain(`**${planned} of ${planned} planned runs are missing.**`);
    expect(page).not.toContain('\n## Targets');
    expect(page).not.toContain('NaN');
  });

  test('leaves tasks out where dense networks have nothing to compare with', () => {
    const records = recordsOf(jobs);
    const hopeless = jobs.find(
      ({ phase, env, variant }) => phase === 'study' && env === 'Ant-v5' && variant === 'dense',
    )!;
    records.set(identity(hopeless), recordOf(hopeless, -1));
    const page = pageOf(records);
    expect(page).toContain('Left out: Ant-v5');
    expect(row(page, '## Ant-v5', '1:8')[6]).toBe('–');
    expect(row(page, '## All tasks', '1:4')[2]).toMatch(/^1\.00 \(/);
  });

  test('a run that broke down is seen, ranks last, and is no score', () => {
    const broken = listJobs({ phase: 'screening' }).find(({ variant }) => variant !== 'dense')!;
    const records = recordsOf(jobs);
    records.set(identity(broken), { ...broken, failure: 'NaN', step: 1234 });
    const page = pageOf(records);
    expect(page).toContain('1 broke down');
    expect(row(page, '## Screening', broken.variant)).toContain('broke down at step 1,234');
    const names = page.slice(page.indexOf('\n## Screening')).match(/(?<=^\| )[^|]+(?= \| )/gm);
    expect(names?.at(-1)).toBe(broken.variant);
  });
});

describe('files', () => {
  beforeEach(() => void jest.spyOn(console, 'log').mockImplementation(() => {}));
  afterEach(() => void jest.restoreAllMocks());

  test('the page and a picture of each task that has runs', async () => {
    const docs = temporaryFolder();
    const some = jobs.filter(({ phase, env }) => phase === 'study' && env === 'Hopper-v5');
    await writeReport(jobs, { docs, records: recordsOf(some), preset: true, resamples: 20 });
    const page = readFileSync(join(docs, 'results.md'), 'utf8');
    const pictures = [...page.matchAll(/!\[.*\]\((.*)\)/g)].map(([, path]) => path);
    expect(pictures).toEqual(['images/learning-hopper-v5.png']);
    expect(existsSync(join(docs, pictures[0]!))).toBe(true);
  });

  test('the newest times of training steps; those of sparse networks by way of dense', () => {
    const folder = temporaryFolder();
    expect(readSpeed(join(folder, 'none'))).toBeUndefined();
    expect(readSpeed(folder)).toBeUndefined();
    const [dense, sparse] = ['dense', '1:8'].map(
      (name) => listJobs({ phase: 'study', only: `Hopper-v5 ${name} seed` })[0]!,
    );
    const measured = (job: Job, stepsPerSecond: number, ratio: number) => ({
      ...job,
      stepsPerSecond,
      timesDense: [ratio, ratio, ratio],
    });
    for (const [date, rate] of [
      ['2030-01-02', 100],
      ['2030-01-01', 1],
    ] as const) {
      const variants = [measured(dense!, rate, 1), measured(sparse!, 999, 4)];
      expect(writeSpeed(folder, { date, cpu: 'A (R) CPU', variants })).toBe(
        join(folder, `speed-a-r-cpu-${date}.json`),
      );
    }
    const speed = readSpeed(folder);
    expect(speed?.secondsPerStep(dense!)).toBeCloseTo(0.01, 12);
    expect(speed?.secondsPerStep({ ...sparse!, seed: 9, variant: 'x' })).toBeCloseTo(0.0025, 12);
    expect(speed?.secondsPerStep(listJobs({ phase: 'matched' })[0]!)).toBeUndefined();
  });
});
