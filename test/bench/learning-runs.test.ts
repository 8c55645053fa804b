import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { readJsonLines } from '../../lib/train/atomic-file.js';
import { temporaryFolders } from '../support/temporary-folder.js';

// Runs are processes of low priority, which wait for all else that a machine does.
jest.setTimeout(240_000);

interface Job {
  phase: string;
  env: string;
  variant: string;
  settings: Record<string, string | number>;
  seed: number;
  steps: number;
}

interface RunOptions {
  results: string;
  runs: string;
  atOnce: number;
  preset: boolean;
  retry?: boolean;
  signal?: AbortSignal;
}

const { identity, jobArguments, jobName, listJobs, phases } = (await import(
  '../../bench/learning/plan.mjs' as string
)) as {
  identity: (job: Omit<Job, 'phase' | 'variant'>) => string;
  jobArguments: (job: Job, options?: { preset?: boolean }) => string[];
  jobName: (job: Job) => string;
  listJobs: (options?: { phase?: string; only?: string; steps?: number }) => Job[];
  phases: Record<string, unknown>;
};
const { appendRecord, readRecords } = (await import(
  '../../bench/learning/store.mjs' as string
)) as {
  appendRecord: (folder: string, record: object) => void;
  readRecords: (folder: string) => Map<string, Job & { failure?: string }>;
};
const { runJobs } = (await import('../../bench/learning/runs.mjs' as string)) as {
  runJobs: (jobs: Job[], options: RunOptions) => Promise<number>;
};

const temporaryFolder = temporaryFolders();

/** A run of a second or two. */
const job: Job = {
  phase: 'try',
  env: 'InvertedPendulum-v5',
  variant: '1:4',
  settings: { sparsity: '1:4', 'learning-starts': 10, 'batch-size': 8, 'hidden-sizes': '16,16' },
  seed: 3,
  steps: 60,
};

describe('plan', () => {
  test.each(Object.keys(phases))('no run of %s is planned twice, and no name either', (phase) => {
    const jobs = listJobs({ phase });
    expect(jobs.length).toBeGreaterThan(20);
    expect(new Set(jobs.map(identity)).size).toBe(jobs.length);
    expect(new Set(jobs.map(jobName)).size).toBe(jobs.length);
  });

  test('every phase has jobs, and only what was asked for is listed', () => {
    for (const phase of Object.keys(phases)) {
      expect(new Set(listJobs({ phase }).map((each) => each.phase))).toEqual(new Set([phase]));
    }
    const some = listJobs({ phase: 'study', only: 'Hopper-v5 1:8' });
    expect(some.map(({ seed }) => seed)).toEqual([0, 1, 2]);
    expect(listJobs({ only: 'no such variant' })).toEqual([]);
    expect(() => listJobs({ phase: 'toString' })).toThrow(/phase.*toString/);
  });

  test('seeds that choose settings are not among those that are reported', () => {
    const seeds = (phase: string) => new Set(listJobs({ phase }).map(({ seed }) => seed));
    const reported = seeds('study');
    for (const phase of ['selection', 'screening']) {
      for (const seed of seeds(phase)) expect(reported).not.toContain(seed);
    }
  });

  test('what a job is called does not make it another one, what it does makes it one', () => {
    const same = { ...job, phase: 'other', variant: 'other' };
    expect(identity(same)).toBe(identity(job));
    const settings = Object.fromEntries(Object.entries(job.settings).toReversed());
    expect(identity({ ...job, settings: { ...settings, 'batch-size': '8.0' } })).toBe(
      identity(job),
    );
    for (const change of [{ env: 'Ant-v5' }, { seed: 4 }, { steps: 61 }, { settings: {} }]) {
      expect(identity({ ...job, ...change })).not.toBe(identity(job));
    }
  });

  test('a job is a command line without what a preset would add', () => {
    const line = jobArguments({ ...job, steps: 300_000 }).join(' ');
    expect(line).toMatch(/^train InvertedPendulum-v5 --preset none --sparsity 1:4 /);
    expect(line).toMatch(/ --seed 3 --steps 300000 --eval-interval 10000 --eval-episodes 10 /);
    expect(jobArguments(job, { preset: false })).not.toContain('--preset');
  });

  test('a run that is shortened has a short warm-up, and is another run', () => {
    const [planned, short] = [listJobs(), listJobs({ steps: 100 })];
    expect(short.map(jobName)).toEqual(planned.map(jobName));
    expect(new Set(short.map(({ settings }) => settings['learning-starts']))).toEqual(
      new Set([20]),
    );
    expect(identity(short[0]!)).not.toBe(identity(planned[0]!));
  });
});

describe('records', () => {
  test('a line that a crash cut off is left out, and cut off by the next', () => {
    const folder = temporaryFolder();
    appendRecord(folder, job);
    appendFileSync(join(folder, 'try.jsonl'), '{"phase":"try","env":"Pendül');
    expect([...readRecords(folder).values()]).toEqual([job]);
    const next = { ...job, seed: 4 };
    appendRecord(folder, next);
    expect(readJsonLines(join(folder, 'try.jsonl'))).toEqual([job, next]);
  });

  test('a damaged line within a file is told of', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'try.jsonl'), `{"phase":\n${JSON.stringify(job)}\n`);
    expect(() => readRecords(folder)).toThrow(/try.jsonl, line 1/);
  });

  test('a failure does not hide a run that succeeded, whichever came first', () => {
    const failed = { ...job, failure: 'NaN' };
    for (const records of [
      [job, failed],
      [failed, job],
    ]) {
      const folder = temporaryFolder();
      for (const record of records) appendRecord(folder, record);
      expect([...readRecords(folder).values()]).toEqual([job]);
    }
  });

  test('there are none where there is no folder', () => {
    expect(readRecords(join(temporaryFolder(), 'none')).size).toBe(0);
  });
});

describe('runs', () => {
  let said: string[] = [];
  beforeEach(() => {
    said = [];
    for (const way of ['log', 'error'] as const) {
      jest.spyOn(console, way).mockImplementation((text: unknown) => void said.push(String(text)));
    }
  });
  afterEach(() => void jest.restoreAllMocks());

  const optionsFor = (folder: string): RunOptions => ({
    results: join(folder, 'results'),
    runs: join(folder, 'runs'),
    atOnce: 2,
    preset: false,
  });

  test('what is there is not done again; a record is one short line', async () => {
    const options = optionsFor(temporaryFolder());
    const other = { ...job, seed: 4 };
    expect(await runJobs([job, { ...job, phase: 'another' }], options)).toBe(0);
    expect(await runJobs([{ ...job, variant: 'renamed' }, other], options)).toBe(0);
    expect(said.filter((line) => line.endsWith('started'))).toEqual([
      'try InvertedPendulum-v5 1:4 seed 3: started',
      'try InvertedPendulum-v5 1:4 seed 4: started',
    ]);
    const text = readFileSync(join(options.results, 'try.jsonl'), 'utf8');
    const lines = text.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as Job).seed)).toEqual([3, 4]);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(2000);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      ...job,
      curve: { steps: [6, 12, 18, 24, 30, 36, 42, 48, 54, 60] },
      metrics: { 'density/actor': expect.any(Number), 'agent/criticLoss': expect.any(Number) },
      isa: expect.any(String),
      cpu: expect.any(String),
      node: process.version,
    });
  });

  test('wrong flags fail without a record, and do not stop the others', async () => {
    const options = optionsFor(temporaryFolder());
    const wrong = { ...job, settings: { ...job.settings, 'no-such-flag': 1 } };
    expect(await runJobs([wrong, job], { ...options, atOnce: 1 })).toBe(1);
    expect(said.join('\n')).toMatch(/seed 3: failed \(\d\).*no-such-flag/);
    expect([...readRecords(options.results).keys()]).toEqual([identity(job)]);
  });

  test('a run that breaks down is a result, and done again only when asked for', async () => {
    const options = optionsFor(temporaryFolder());
    const settings = {
      ...job.settings,
      'learning-rate': 1,
      'adam-epsilon': 1e-30,
      'adam-beta2': 0,
    };
    const broken = { ...job, settings };
    expect(await runJobs([broken], options)).toBe(1);
    const [record] = readRecords(options.results).values();
    expect(record).toMatchObject({ failure: expect.stringMatching(/NaN|finite/) });
    expect(await runJobs([broken], options)).toBe(0);
    expect(await runJobs([broken], { ...options, retry: true })).toBe(1);
  });

  test('stopped runs leave nothing behind, and are done by the next start', async () => {
    const options = optionsFor(temporaryFolder());
    mkdirSync(options.results, { recursive: true });
    const stopping = new AbortController();
    setTimeout(() => stopping.abort(), 1500);
    const long = { ...job, steps: 90_000 };
    const jobs = [long, { ...long, seed: 4 }, { ...long, seed: 5 }];
    expect(await runJobs(jobs, { ...options, signal: stopping.signal })).toBe(0);
    expect(readRecords(options.results).size).toBe(0);
    expect(said.filter((line) => line.endsWith('started'))).toHaveLength(2);
  });
});
