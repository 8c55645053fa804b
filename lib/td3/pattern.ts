/** Row-wise N:M patterns as users write them: "1:4", "2:4", "dense". */
import { invalidValue } from '../errors.js';

/** Of every `m` consecutive inputs of a row, at most `n` weights are kept. */
export interface NmPattern {
  readonly n: number;
  readonly m: number;
}

/** Largest M that the kernels take. */
export const maxGroupSize = 32;

/**
 * Parse "N:M" into its numbers, or "dense" into null.
 *
 * @param name the option's name, for error messages
 * @throws InvalidValueError unless 1 <= N <= M <= 32
 */
export function parsePattern(name: string, value: unknown): NmPattern | null {
  if (value === 'dense') return null;
  const match = typeof value === 'string' ? /^(\d{1,3}):(\d{1,3})$/.exec(value.trim()) : null;
  const [n, m] = [Number(match?.[1]), Number(match?.[2])];
  if (n >= 1 && n <= m && m <= maxGroupSize) return { n, m };
  throw invalidValue(
    name,
    `"dense" or a pattern N:M with 1 <= N <= M <= ${maxGroupSize}`,
    value,
    '"1:4", for example, keeps one of every four consecutive weights of a row',
  );
}
