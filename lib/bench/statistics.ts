/** The few statistics that benchmarks report: medians and quantiles, and ratios of paired runs. */
import { invalidValue } from '../errors.js';
import { Random } from '../random.js';

/** A sample in short. */
export interface Summary {
  median: number;
  p10: number;
  p90: number;
  /** Values in the sample. */
  count: number;
}

/** A ratio of two candidates that took turns, with a 95% bootstrap interval. */
export interface PairedRatio {
  ratio: number;
  low: number;
  high: number;
}

/** Resamples of the bootstrap: the interval's ends are then good to a few percent of its width. */
const resamples = 1000;

/**
 * The p-quantile, linear between neighbours (Hyndman and Fan 1996, type 7: numpy's default).
 *
 * @param values at least one number, in any order
 * @param p from 0 to 1
 */
export function quantile(values: readonly number[], p: number): number {
  if (values.length === 0) throw invalidValue('values', 'at least one number', values);
  const sorted = [...values].sort((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low + (at - Math.floor(at)) * (high - low);
}

/** The value in the middle. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Median, p10 and p90 of at least one number. */
export function summarize(values: readonly number[]): Summary {
  return {
    median: median(values),
    p10: quantile(values, 0.1),
    p90: quantile(values, 0.9),
    count: values.length,
  };
}

/**
 * How many times as large `a` is as `b`, where a[i] and b[i] were measured one right after the other.
 *
 * The median of the pairs' ratios, so that what slows both down for a while cancels; the interval
 * is the percentile bootstrap over pairs, drawn from a fixed seed.
 */
export function pairedRatio(a: readonly number[], b: readonly number[]): PairedRatio {
  if (a.length !== b.length) throw invalidValue('b', `as long as a (${a.length})`, b);
  const ratios = a.map((value, i) => value / (b[i] ?? NaN));
  const random = new Random(0);
  const medians = Array.from({ length: resamples }, () =>
    median(ratios.map(() => ratios[random.integer(0, ratios.length - 1)] ?? NaN)),
  );
  return {
    ratio: median(ratios),
    low: quantile(medians, 0.025),
    high: quantile(medians, 0.975),
  };
}
