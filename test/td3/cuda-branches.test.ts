/** What a GPU does at the same time: the same weights at whatever pace its parts get on. */
import { expect, test } from '@jest/globals';
import { tmpdir } from 'node:os';
import type { DeviceOptions } from '../../lib/device/index.js';
import type { Td3Options } from '../../lib/index.js';
import { testDevice } from '../device/support.js';
import { runTypeScript } from '../support/run-typescript.js';

interface Job {
  device: DeviceOptions;
  agent: Partial<Td3Options>;
}

/** What agent-weights.ts prints where streams of the emulated GPU have this pace. */
async function weightsAt(pace: string, job: Job): Promise<unknown> {
  const shell = `export RNM_EMULATOR_STREAMS=${pace}; exec`;
  const { ended } = runTypeScript(
    'test/td3/agent-weights.ts',
    [JSON.stringify(job)],
    tmpdir(),
    shell,
  );
  const { code, stdout, stderr } = await ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

// A missing wait, or memory that two branches share, gives other weights at one of the paces.
(testDevice === 'cuda-emulated' ? test : test.skip).each<[string, Job]>([
  ['fp32, a batch of two chunks', { device: {}, agent: { batchSize: 261 } }],
  [
    'fp32, normalised observations',
    { device: {}, agent: { normalizeObservations: true, sparsity: '2:4' } },
  ],
  [
    'bf16, 2:4 on sparse tensor cores',
    { device: { precision: 'bf16', sparse: 'always' }, agent: { sparsity: '2:4' } },
  ],
  [
    'tf32, sparse data gradients',
    {
      device: { precision: 'tf32', sparse: 'always', dataGradient: 'double-pruned' },
      agent: { sparsity: '1:2' },
    },
  ],
])(
  '%s',
  async (_, job) => {
    const late = (await weightsAt('late', job)) as { graphs: string; calls: string };
    // The graphs' updates are those of single calls.
    expect(late.graphs).toBe(late.calls);
    for (const pace of ['in-turns', 'early']) expect(await weightsAt(pace, job)).toEqual(late);
  },
  120_000,
);
