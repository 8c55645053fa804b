/** Going through what is to be measured, as far as time and the GPU allow. */
import type { TimeBudget } from './time-budget.js';

/** Something that could not be measured, and why. */
export interface Omission {
  what: string;
  why: string;
}

export interface GroupOptions {
  budget: TimeBudget;
  signal?: AbortSignal | undefined;
  onGroup?: (text: string) => void;
}

/** Measure each group within its share of the time that is left; what was not goes to `omitted`. */
export async function eachGroup<Group>(
  groups: readonly Group[],
  describe: (group: Group) => string,
  options: GroupOptions,
  omitted: Omission[],
  measure: (group: Group, seconds: number) => Promise<void>,
): Promise<void> {
  const { budget, signal, onGroup } = options;
  for (const [i, group] of groups.entries()) {
    const what = describe(group);
    // One is measured whatever the time: a look is better than nothing.
    if (budget.spent && i > 0) {
      omitted.push({ what, why: 'the time was up' });
      continue;
    }
    onGroup?.(what);
    const seconds = budget.share(groups.length - i);
    await tryTo(omitted, what, () => measure(group, seconds));
    signal?.throwIfAborted();
  }
}

/** A GPU that has no room or a library that takes no such shape is a result, not an end. */
export async function tryTo(
  omitted: Omission[],
  what: string,
  action: () => Promise<void>,
): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof Error) || error.name === 'AbortError') throw error;
    omitted.push({ what, why: error.message });
  }
}
