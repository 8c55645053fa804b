/** `bench gpu` where there is no GPU: its options, and what it says. */
import { expect, test } from '@jest/globals';
import { cudaReport } from '../../lib/device/index.js';
import { runCommand } from '../cli/support.js';

test.each([
  [['--device=cpu'], 'Expected --device to be one of "cuda", "cuda-emulated"'],
  [['--precisions=bf16,fp8'], 'Expected a precision to be one of "fp32", "tf32", "bf16"'],
  [['--patterns=dense'], 'Dense networks are always measured'],
  [['--patterns=5:4'], 'N:M with 1 <= N <= M <= 32'],
  [['--updates=256'], 'Expected a shape to be width x batch'],
  [['--widths=256,0'], 'Expected number 2 of --widths to be a positive integer'],
  [['--seconds=0'], 'Expected --seconds to be a number above 0'],
])('bench gpu %j is one line of error', async (args, message) => {
  const { code, out, err } = await runCommand('bench', 'gpu', ...args);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toContain(message);
});

const withoutGpu = cudaReport()?.status === 'usable' ? test.skip : test;
withoutGpu('without a GPU it says in one line what is missing', async () => {
  const { code, out, err } = await runCommand('bench', 'gpu', '--quick');
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toMatch(/^error: Device "cuda" cannot be used\. .*\n$/);
});
