/**
 * The least and the greatest of any number of values. `Math.min(...values)` ends in a full stack at some
 * hundred thousand.
 *
 * @returns NaN twice if one of the values is NaN; Infinity and -Infinity for no values
 */
export function extentOf(values: Iterable<number>): { min: number; max: number } {
  let [min, max] = [Infinity, -Infinity];
  for (const value of values) {
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  return { min, max };
}
