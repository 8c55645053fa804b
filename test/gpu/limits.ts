/** How far two trainings that differ in rounding may be apart. */
import type { DeviceOptions } from '../../lib/device/index.js';
import type { Distance } from './compare-training.js';

/** Largest distances of each kind; see `Distance`. */
export interface DistanceLimits {
  values: number;
  weights: number;
  masks: number;
}

export interface Limits {
  /** Updates that count as first. */
  firstUpdates: number;
  first: DistanceLimits;
  later: DistanceLimits;
  /** Of the mean returns at the end: so much, or this share of the reference's. */
  returns: { absolute: number; relative: number };
}

/** One thing that has to hold: a number that may be at most `limit`. */
export interface Check {
  name: string;
  value: number;
  limit: number;
  passed: boolean;
}

/**
 * Before rounding has grown. Weights are the farther apart: of a gradient Adam's first steps take the
 * sign alone, so that rounding of one near zero costs two whole steps. As found on the emulated GPU at
 * width 256 in bf16: values 8e-4, weights 0.08; at width 32 weights 0.23.
 */
const first: Record<string, DistanceLimits> = {
  fp32: { values: 1e-5, weights: 1e-3, masks: 0 },
  tf32: { values: 2e-3, weights: 0.12, masks: 0 },
  bf16: { values: 1e-2, weights: 0.4, masks: 0 },
};

/**
 * After thousands of updates on the same transitions: no longer the same weights, but still the same
 * learning. Ways that have nothing in common are 1.4 apart, and masks at 1:4 0.375. An H200 was at most
 * 0.31, 0.60 and 0.05 away.
 */
const later: DistanceLimits = { values: 0.5, weights: 0.7, masks: 0.15 };

/** The limits for a device's arithmetic. Of double-pruned gradients no weights of the CPU's are expected. */
export function limitsOf({ precision = 'fp32', dataGradient }: DeviceOptions): Limits {
  const exact = first[precision]!;
  return {
    firstUpdates: 10,
    first: dataGradient === 'double-pruned' ? { ...exact, weights: later.weights } : exact,
    later,
    returns: { absolute: 1000, relative: 0.5 },
  };
}

/** Hold distances and returns against the limits. NaN is within none. */
export function judge(
  distances: readonly Distance[],
  returns: { tested: number; reference: number },
  limits: Limits,
): Check[] {
  const isFirst = ({ update }: Distance) => update <= limits.firstUpdates;
  const later = distances.filter((distance) => !isFirst(distance));
  const { absolute, relative } = limits.returns;
  const allowed = Math.max(absolute, relative * Math.abs(returns.reference));
  return [
    ...checkAll('first updates', distances.filter(isFirst), limits.first),
    ...checkAll('later updates', later, limits.later),
    ...lossChecks(distances, limits),
    check('difference of mean returns', Math.abs(returns.tested - returns.reference), allowed),
  ];
}

function checkAll(when: string, distances: readonly Distance[], limits: DistanceLimits): Check[] {
  if (distances.length === 0) return [];
  const kinds = ['values', 'weights', 'masks'] as const;
  return kinds.map((kind) => {
    const largest = largestOf(distances.map((distance) => distance[kind]));
    return check(`${kind}, ${when}`, largest, limits[kind]);
  });
}

/** Squares of values: their relative distance may be twice the values' own. */
function lossChecks(distances: readonly Distance[], limits: Limits): Check[] {
  const off = (of: readonly Distance[]) =>
    largestOf(of.map(({ criticLoss: { tested, reference } }) => Math.abs(tested / reference - 1)));
  const first = distances.filter(({ update }) => update <= limits.firstUpdates);
  const name = 'critic loss, first updates, relative';
  const finite = largestOf(distances.map(({ criticLoss }) => criticLoss.tested));
  return [
    check(name, off(first), 2 * limits.first.values),
    check('critic loss is finite', finite, Number.MAX_VALUE),
  ];
}

function check(name: string, value: number, limit: number): Check {
  return { name, value, limit, passed: value <= limit };
}

/** NaN if one of them is. */
function largestOf(values: readonly number[]): number {
  return values.reduce((largest, value) => Math.max(largest, value), 0);
}
