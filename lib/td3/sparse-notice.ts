/** What became of sparse layers on a GPU, for people. */
import type { SparseChoice } from '../device/index.js';

function why({ denseUs, reason }: SparseChoice): string {
  return denseUs === null ? reason : 'not faster';
}

/**
 * What became of sparse layers, a line each: how many of their products went through sparse tensor cores, and why
 * others did not, unless the type has none, as fp32; and how many of their weight gradients were computed at
 * active weights alone, if any were.
 */
export function describeSparseChoices(choices: readonly SparseChoice[]): string[] {
  const isGradient = ({ pass }: SparseChoice) => pass === 'weight gradient';
  return [
    ...describeProducts(choices.filter((choice) => !isGradient(choice))),
    ...describeGradients(choices.filter(isGradient)),
  ];
}

function describeProducts(choices: readonly SparseChoice[]): string[] {
  if (choices.every(({ precision }) => precision === 'fp32')) return [];
  const dense = choices.filter(({ chosen }) => chosen === 'dense');
  const counts = new Map<string, number>();
  for (const choice of dense) counts.set(why(choice), (counts.get(why(choice)) ?? 0) + 1);
  const reasons = [...counts].map(([reason, count]) => `${count} (${reason})`);
  const taken = `Sparse tensor cores took ${choices.length - dense.length} of ${choices.length} products`;
  return [reasons.length === 0 ? taken : `${taken}; masked dense: ${reasons.join(', ')}`];
}

function describeGradients(choices: readonly SparseChoice[]): string[] {
  const sampled = choices.filter(({ chosen }) => chosen === 'sparse');
  if (sampled.length === 0) return [];
  const share = `${sampled.length} of ${choices.length} weight gradients`;
  return [`At active weights alone, where that is faster or asked for: ${share}`];
}

/** One line where options that only a GPU heeds differ from their defaults. */
export function describeUnused(options: {
  precision: string;
  sparse: string;
  dataGradient: string;
  weightGradient: string;
}): string[] {
  const { precision, sparse, dataGradient, weightGradient } = options;
  const unused = [
    ...(precision === 'fp32' ? [] : [`precision "${precision}"`]),
    ...(sparse === 'auto' ? [] : [`sparse "${sparse}"`]),
    ...(dataGradient === 'dense' ? [] : [`dataGradient "${dataGradient}"`]),
    ...(weightGradient === 'auto' ? [] : [`weightGradient "${weightGradient}"`]),
  ];
  if (unused.length === 0) return [];
  return [`Without effect on the CPU, which computes in float32: ${unused.join(', ')}`];
}
