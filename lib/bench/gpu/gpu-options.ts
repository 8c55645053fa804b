/** Options of the benchmark on a GPU: type, default and meaning, for flags and checks. */
import { z } from 'zod';
import { precisions } from '../../device/device.js';
import type { Precision } from '../../device/device.js';
import { invalidValue } from '../../errors.js';
import { option, refineBy } from '../../options.js';
import { parsePattern } from '../../td3/pattern.js';
import { parseList } from '../bench-options.js';

const group = 'Benchmark';

const names = (value: string, description: string, placeholder: string, check: Check) =>
  option(
    z
      .string()
      .superRefine(refineBy(each(check)))
      .default(value),
    description,
    {
      group,
      expected: 'a list with commas',
      kind: 'text',
      placeholder,
    },
  );

type Check = (item: string) => unknown;
const each = (check: Check) => (text: string) =>
  parseList(text).forEach((item) => void check(item));

const widths = (values: number[], description: string) =>
  option(
    z
      .array(z.int().min(1))
      .min(1)
      .default(() => values),
    description,
    {
      group,
      expected: 'a list of positive integers',
      expectedItem: 'a positive integer',
      kind: 'numbers',
      placeholder: '<counts>',
    },
  );

/** Width of the hidden layers and transitions of a batch. */
export interface GpuShape {
  width: number;
  batch: number;
}

/** "1024x256" is a width of 1024 and a batch of 256. */
export function parseGpuShape(text: string): GpuShape {
  const match = /^(\d{1,5})x(\d{1,7})$/.exec(text);
  const [width, batch] = [Number(match?.[1]), Number(match?.[2])];
  if (width >= 1 && batch >= 1) return { width, batch };
  throw invalidValue('a shape', 'width x batch, such as "1024x256"', text);
}

function parsePrecision(text: string): Precision {
  const known = precisions.find((name) => name === text);
  if (known !== undefined) return known;
  throw invalidValue('a precision', `one of "${precisions.join('", "')}"`, text);
}

function parseSparsePattern(text: string): string {
  if (parsePattern('a pattern', text) !== null) return text;
  throw invalidValue('a pattern', 'a pattern N:M', text, 'Dense networks are always measured');
}

export const gpuSchema = z.strictObject({
  device: option(z.enum(['cuda', 'cuda-emulated']).default('cuda'), 'What to measure.', {
    group,
    expected: 'one of "cuda", "cuda-emulated"',
    kind: 'text',
    placeholder: '<device>',
    choices: ['cuda', 'cuda-emulated'],
  }),
  seconds: option(z.number().gt(0).default(420), 'When to stop; what is left out is listed.', {
    group,
    expected: 'a number above 0',
    kind: 'number',
    placeholder: '<seconds>',
  }),
  precisions: names('bf16,tf32', 'Arithmetic of the products.', '<names>', parsePrecision),
  patterns: names(
    '2:4,1:4,1:8',
    'Patterns to measure beside dense.',
    '<patterns>',
    parseSparsePattern,
  ),
  widths: widths([256, 512, 1024, 2048, 4096, 8192], 'Widths of layers.'),
  batches: widths([256, 1024, 4096, 8192], 'Batches that go through them.'),
  updates: names(
    '256x256,512x256,1024x1024,2048x2048,4096x4096',
    'Hidden width x batch of the agents whose updates are measured.',
    '<shapes>',
    parseGpuShape,
  ),
  peerShapes: names(
    '256x256,4096x4096',
    'Shapes at which PyTorch takes part, where --peers is given.',
    '<shapes>',
    parseGpuShape,
  ),
});

/** The options with their lists taken apart. */
export interface GpuBenchSettings {
  device: 'cuda' | 'cuda-emulated';
  seconds: number;
  precisions: Precision[];
  patterns: string[];
  widths: number[];
  batches: number[];
  updates: GpuShape[];
  peerShapes: GpuShape[];
}

/** What --quick means: a look that takes a minute or two. Options that are given win. */
export const quickOptions = {
  seconds: 60,
  precisions: 'bf16',
  patterns: '2:4,1:4',
  widths: [256, 1024, 4096],
  batches: [256, 4096],
  updates: '256x256,4096x4096',
} as const;

export function gpuSettings(options: z.output<typeof gpuSchema>): GpuBenchSettings {
  return {
    ...options,
    precisions: parseList(options.precisions).map(parsePrecision),
    patterns: parseList(options.patterns),
    updates: parseList(options.updates).map(parseGpuShape),
    peerShapes: parseList(options.peerShapes).map(parseGpuShape),
  };
}
