/** Options of the benchmarks: type, default and meaning, for flags and checks. */
import { z } from 'zod';
import { invalidValue } from '../errors.js';
import { suggest } from '../nearest.js';
import { option, refineBy } from '../options.js';
import { choiceInfo } from '../td3/config.js';
import { parsePattern, parsePatterns, sparseLayers } from '../td3/pattern.js';
import { kernelFamilies } from './kernel-problems.js';
import type { KernelShape } from './kernel-problems.js';

const group = 'Benchmark';
const positive = 'a positive integer';

function count(value: number, description: string, least = 1) {
  const schema = z.int().min(least).default(value);
  const expected = least === 1 ? positive : 'a non-negative integer';
  return option(schema, description, { group, expected, kind: 'number', placeholder: '<count>' });
}

function counts(values: number[], description: string, placeholder: string) {
  const schema = z
    .array(z.int().min(1))
    .min(1)
    .default(() => values);
  const expected = 'a list of positive integers';
  const info = { group, expected, expectedItem: positive, kind: 'numbers', placeholder } as const;
  return option(schema, description, info);
}

/** A list with commas, each of which `check` accepts or throws an InvalidValueError for. */
function list(check: (item: string) => unknown) {
  return z
    .string()
    .superRefine(refineBy((text: string) => parseList(text).forEach((item) => void check(item))));
}

/** "a, b" as ["a", "b"]. */
export function parseList(text: string): string[] {
  return text.split(',').map((item) => item.trim());
}

/**
 * Patterns of networks: with commas between them, or with semicolons, where each may be a list with one pattern
 * for each layer: "dense;1:8;dense,1:8,dense".
 */
export function parseNetworkPatterns(text: string): string[] {
  if (!text.includes(';')) return parseList(text);
  return text.split(';').map((item) => item.trim());
}

const networkPatterns = z
  .string()
  .superRefine(
    refineBy((text: string) =>
      parseNetworkPatterns(text).forEach((item) => void parsePatterns('a pattern', item)),
    ),
  );
const networkPatternInfo = {
  group,
  expected:
    'patterns N:M or "dense", with commas, or with semicolons between lists of one a layer,',
  kind: 'text',
  placeholder: '<patterns>',
} as const;

const patternList = list((item) => parsePattern('a pattern', item));
const patternInfo = {
  group,
  expected: 'patterns N:M or "dense", with commas',
  kind: 'text',
  placeholder: '<patterns>',
} as const;

const allPatterns = 'dense,2:4,1:4,1:8,1:16';

const seconds = (value: number, description: string) =>
  option(z.number().gt(0).default(value), description, {
    group,
    expected: 'a number above 0',
    kind: 'number',
    placeholder: '<seconds>',
  });

const isa = option(z.string().optional(), 'Instruction set; without it, the best.', {
  group,
  expected: 'an instruction set that "rnm-td3 info" lists',
  kind: 'text',
  placeholder: '<name>',
});

const workload = {
  batch: count(256, 'Transitions per update.'),
  threads: count(0, 'Threads; 0 takes all cores.', 0),
  replay: count(100_000, 'Transitions in the replay buffer.'),
  gradientRule: option(
    z.enum(['masked', 'ste', 'sr-ste']).default('masked'),
    'Weights that learn: the active, or all.',
    {
      group,
      expected: 'one of "masked", "ste", "sr-ste"',
      kind: 'text',
      placeholder: '<rule>',
      choices: ['masked', 'ste', 'sr-ste'],
    },
  ),
  sparseLayers: option(
    z.enum(sparseLayers).default(sparseLayers[0]),
    'Layers that a single pattern is for, as in training.',
    choiceInfo(group, '<layers>', sparseLayers),
  ),
  rounds: count(15, 'Undisturbed slots that every candidate should have.'),
};

/** Options of `bench update`. */
export const updateSchema = z.strictObject({
  obs: count(105, 'Length of an observation.'),
  act: count(8, 'Length of an action.'),
  hidden: count(256, 'Width of both hidden layers.'),
  sparsity: option(
    networkPatterns.default(allPatterns),
    'Patterns to measure; the first is what the others are compared with.',
    networkPatternInfo,
  ),
  ...workload,
  isa,
  budget: seconds(60, 'When to stop waiting for undisturbed slots.'),
});

/** Options of `bench speedup`. */
export const speedupSchema = z.strictObject({
  env: option(z.string().default('HalfCheetah-v5'), 'Task whose training steps are measured.', {
    group,
    expected: 'the name of a task',
    kind: 'text',
    placeholder: '<task>',
  }),
  widths: counts([128, 256, 512, 1024, 2048], 'Widths of both hidden layers.', '<widths>'),
  patterns: option(
    networkPatterns.default('2:4,1:4,1:8,1:16'),
    'Patterns to measure beside dense.',
    networkPatternInfo,
  ),
  ...workload,
  budget: seconds(300, 'When to stop waiting for undisturbed slots, all widths together.'),
});

/** Options of `bench kernels`. */
export const kernelsSchema = z.strictObject({
  kernels: option(list(checkKernel).optional(), 'Kernel families; without it, all.', {
    group,
    expected: 'names of kernels, with commas',
    kind: 'text',
    placeholder: '<names>',
  }),
  shapes: option(list(parseShape).default('256x256,113x256,1024x1024'), 'Layers.', {
    group,
    expected: 'shapes INxOUT, with commas',
    kind: 'text',
    placeholder: '<INxOUT>',
  }),
  batch: count(256, 'Samples in a batch.'),
  patterns: option(patternList.default(allPatterns), 'Patterns of the weights.', patternInfo),
  isa: option(
    z.string().optional(),
    'Instruction sets with commas; without it, all but the reference.',
    { group, expected: 'instruction sets, with commas', kind: 'text', placeholder: '<names>' },
  ),
  threads: option(
    z.array(z.int().min(1)).min(1).optional(),
    'Numbers of threads with commas; without it, one and all cores.',
    {
      group,
      expected: 'a list of positive integers',
      expectedItem: positive,
      kind: 'numbers',
      placeholder: '<counts>',
    },
  ),
  budget: seconds(180, 'Seconds for everything.'),
});

function checkKernel(name: string): void {
  const known = kernelFamilies.map((family) => family.name);
  if (!known.includes(name)) {
    throw invalidValue('a kernel', 'the name of a family', name, suggest(name, known));
  }
}

/** "113x256" is a layer from 113 to 256 units. */
export function parseShape(text: string): Omit<KernelShape, 'batch'> {
  const match = /^(\d{1,5})x(\d{1,5})$/.exec(text);
  const [inputs, outputs] = [Number(match?.[1]), Number(match?.[2])];
  if (inputs >= 1 && outputs >= 1) return { inputs, outputs };
  throw invalidValue('a shape', 'inputs x outputs, such as "256x256"', text);
}
