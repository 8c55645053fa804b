/** Row-wise N:M patterns as users write them: "1:4", "dense", or one a layer, "dense,1:8,dense". */
import { invalidValue } from '../errors.js';

/** Of every `m` consecutive inputs of a row, at most `n` weights are kept. */
export interface NmPattern {
  readonly n: number;
  readonly m: number;
}

/** What a layer has: a pattern, or null for all weights. */
export type LayerPattern = NmPattern | null;

/** Largest M that the kernels take. */
export const maxGroupSize = 32;

/** Which layers a single pattern is for. */
export type SparseLayers = (typeof sparseLayers)[number];
export const sparseLayers = ['all-but-last', 'all', 'hidden', 'by-inputs'] as const;

/** Under `by-inputs` a first layer is sparse if its units keep at least so many inputs. */
export const leastInputs = 8;

/**
 * Parse "N:M" into its numbers, or "dense" into null.
 *
 * @param name the option's name, for error messages
 * @throws InvalidValueError unless 1 <= N <= M <= 32
 */
export function parsePattern(name: string, value: unknown): LayerPattern {
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

/**
 * Parse one pattern, or a list with commas between them, one for each layer from the input to the output.
 *
 * @param name the option's name, for error messages
 * @throws InvalidValueError that names the item that is no pattern
 */
export function parsePatterns(name: string, value: string): LayerPattern[] {
  const items = value.split(',').map((item) => item.trim());
  if (items.length === 1) return [parsePattern(name, value)];
  return items.map((item, i) => parsePattern(`layer ${i + 1} of ${name}`, item));
}

/**
 * The pattern of each layer of a network. A list has them as they are; a single pattern is for the layers that
 * `layers` names.
 *
 * @param name the option's name, for error messages
 * @param sizes inputs, hidden widths and outputs of the network
 * @throws InvalidValueError for a list of another length than the network's number of layers
 */
export function layerPatterns(
  name: string,
  value: string,
  sizes: readonly number[],
  layers: SparseLayers,
): LayerPattern[] {
  const parsed = parsePatterns(name, value);
  const count = sizes.length - 1;
  if (parsed.length > 1) {
    if (parsed.length === count) return parsed;
    const expected = `one pattern, or ${count} with commas between them, one for each layer,`;
    throw invalidValue(name, expected, value);
  }
  const [pattern = null] = parsed;
  const isDense = (i: number): boolean => {
    if (layers === 'all') return false;
    if (i === count - 1) return true;
    return i === 0 && (layers === 'hidden' || (layers === 'by-inputs' && isNarrow(pattern, sizes)));
  };
  return Array.from({ length: count }, (_, i) => (isDense(i) ? null : pattern));
}

function isNarrow(pattern: LayerPattern, [inputs = 0]: readonly number[]): boolean {
  return pattern !== null && (inputs * pattern.n) / pattern.m < leastInputs;
}

/** As a user writes it: "1:8" if all layers are alike, else "1:8,1:8,dense". */
export function formatPatterns(patterns: readonly LayerPattern[]): string {
  const names = patterns.map((pattern) => (pattern ? `${pattern.n}:${pattern.m}` : 'dense'));
  return new Set(names).size === 1 ? (names[0] ?? '') : names.join(',');
}
