/** What a machine may lack and what may go wrong on a GPU: each ends in an error that helps. */
import { describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { runTypeScript } from '../support/run-typescript.js';
import { testDevice } from './support.js';

interface Outcome {
  report: { status: string; problem: string; libraries: { name: string; problem: string }[] };
  learnt: number;
  finite: boolean;
  error?: { name: string; message: string };
}

async function fail(what: string): Promise<Outcome> {
  return (await run('test/device/emulated-failure.ts', what)) as Outcome;
}

async function run(file: string, what: string): Promise<unknown> {
  const folder = join(import.meta.dirname, '..', '..');
  const shell = `export RNM_EMULATOR_FAIL='${what}'; exec`;
  const { ended } = runTypeScript(file, [], folder, shell);
  const { code, signal, stdout, stderr } = await ended;
  // Whatever fails, the process goes on.
  expect({ code, signal, stderr: code === 0 ? '' : stderr }).toEqual({
    code: 0,
    signal: null,
    stderr: '',
  });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as unknown;
}

(testDevice === 'cuda-emulated' ? describe : describe.skip)('failures', () => {
  test('none', async () => {
    const { report, learnt, finite, error } = await fail('');
    expect({ status: report.status, learnt, finite, error }).toEqual({
      status: 'usable',
      learnt: 6,
      finite: true,
      error: undefined,
    });
  }, 60_000);

  test.each([
    ['driver', 'no-driver', /There is no NVIDIA driver.*--gpus all/],
    ['driver:12.4', 'old-driver', /driver is for CUDA 12\.4, older than.*Update the driver/],
    ['devices', 'no-gpu', /no GPU.*CUDA_VISIBLE_DEVICES/],
    ['capability:7.5', 'no-sparse-cores', /capability 7\.5, without sparse tensor cores.*"cpu"/],
    [
      'library:cublasLt',
      'no-library',
      /cuBLASLt was not found.*pip install nvidia-cublas.*apt-get/s,
    ],
    ['init:cublasLt', 'failed', /cuBLASLt 13\.1\.0 failed to initialise.*nvidia-smi.*"cpu"/],
  ])(
    '%s is reported as %s',
    async (what, status, problem) => {
      const { report, error, learnt } = await fail(what);
      expect(report.status).toBe(status);
      expect(report.problem).toMatch(problem);
      expect(error?.name).toBe('RunError');
      expect(error?.message).toMatch(problem);
      expect(learnt).toBe(0);
    },
    60_000,
  );

  test.each([
    ['library:cusparseLt', /cuSPARSELt was not found.*pip install nvidia-cusparselt-cu13/s],
    ['version:cusparseLt=0.6.0', /cuSPARSELt 0\.6\.0 .*is too old: 0\.7 or newer/],
    ['init:cusparseLt', /cuSPARSELt failed to initialise/],
  ])(
    '%s: sparse layers run as masked dense ones',
    async (what, problem) => {
      const { report, learnt } = await fail(what);
      expect(report.status).toBe('usable');
      const library = report.libraries.find(({ name }) => name === 'cuSPARSELt');
      expect(library?.problem).toMatch(problem);
      expect(learnt).toBe(6);
    },
    60_000,
  );

  test.each([
    ['malloc:3', 0, /Not enough memory|allocate/],
    ['malloc:60', 0, /Not enough memory on the GPU.*use a smaller batchSize|allocate/],
    ['graph:1', 1, /Not enough memory on the GPU for a graph: use a smaller batchSize/],
    ['launch:40', 0, /could not .*too many resources|LaunchOutOfResources/],
    ['sticky:60', 0, /What the GPU held is lost: start again from the last checkpoint/],
    ['sticky:100', 1, /What the GPU held is lost: start again from the last checkpoint/],
    ['sticky:60=214', 0, /ECC error .*What the GPU held is lost/],
    ['sticky:100=702', 1, /timed out .*What the GPU held is lost/],
    ['sticky:100=715', 1, /illegal instruction .*What the GPU held is lost/],
  ])(
    '%s ends with an error, and what was learnt before it counts',
    async (what, least, message) => {
      const { learnt, finite, error } = await fail(what);
      expect(error?.message).toMatch(message);
      expect(learnt).toBeGreaterThanOrEqual(least);
      expect(learnt).toBeLessThan(6);
      expect(finite).toBe(true);
    },
    60_000,
  );

  // The device's memory, and then pinned memory twice.
  test.each([
    ['none', /^$/],
    ['malloc:1', /^Not enough memory on the GPU for 1 MB: use a smaller .*bufferSize$/],
    ['malloc:2', /^Not enough pinned memory on the host for 1 MB: close other programs, or allow/],
    ['malloc:3', /^Not enough pinned memory on the host for 1 MB: close other programs, or allow/],
  ])('a replay buffer: %s; what it had is free again', async (what, message) => {
    // Room for one of 812,000 bytes.
    const failures = what === 'none' ? [] : [what];
    const outcome = await run(
      'test/device/emulated-replay.ts',
      [...failures, 'memory:1500000'].join(),
    );
    expect(outcome).toEqual({ error: expect.stringMatching(message), rows: 2 });
  });
});
