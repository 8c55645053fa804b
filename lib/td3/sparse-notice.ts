/** What became of sparse layers on a GPU, for people. */
import type { SparseChoice } from '../device/index.js';

function why({ denseUs, reason }: SparseChoice): string {
  return denseUs === null ? reason : 'not faster';
}

/**
 * One line that says how many kinds of sparse layers went through sparse tensor cores, and why others
 * did not; none where there was nothing to choose, as on a CPU or in fp32.
 */
export function describeSparseChoices(choices: readonly SparseChoice[]): string[] {
  if (choices.every(({ precision }) => precision === 'fp32')) return [];
  const dense = choices.filter(({ chosen }) => chosen === 'dense');
  const counts = new Map<string, number>();
  for (const choice of dense) counts.set(why(choice), (counts.get(why(choice)) ?? 0) + 1);
  const reasons = [...counts].map(([reason, count]) => `${count} (${reason})`);
  const taken = `Sparse tensor cores took ${choices.length - dense.length} of ${choices.length} products`;
  return [reasons.length === 0 ? taken : `${taken}; masked dense: ${reasons.join(', ')}`];
}

/** One line where options that only a GPU heeds differ from their defaults. */
export function describeUnused(options: {
  precision: string;
  sparse: string;
  dataGradient: string;
}): string[] {
  const { precision, sparse, dataGradient } = options;
  const unused = [
    ...(precision === 'fp32' ? [] : [`precision "${precision}"`]),
    ...(sparse === 'auto' ? [] : [`sparse "${sparse}"`]),
    ...(dataGradient === 'dense' ? [] : [`dataGradient "${dataGradient}"`]),
  ];
  if (unused.length === 0) return [];
  return [`Without effect on the CPU, which computes in float32: ${unused.join(', ')}`];
}
