/** What a replay buffer has to hold after steps of several environments, computed from all of them at once. */

/** A step of an environment. */
export interface SourceStep {
  source: number;
  observation: ArrayLike<number>;
  action: ArrayLike<number>;
  reward: number;
  nextObservation: ArrayLike<number>;
  terminated: boolean;
  truncated: boolean;
}

/** What the agent was told: a step, or that an environment's episode was cut, or that of all. */
export type SourceEvent = SourceStep | { source: number | undefined; cut: true };

interface ExpectedRow {
  /** The event that completed it. */
  at: number;
  row: number[];
}

/** The steps that the return from event `first` is of, and the event that completes it, if any does. */
function stepsFrom(events: readonly SourceEvent[], first: SourceStep, nSteps: number) {
  const steps: SourceStep[] = [];
  for (let at = events.indexOf(first); at < events.length; at++) {
    const event = events[at]!;
    if (event.source !== undefined && event.source !== first.source) continue;
    if ('cut' in event) return { steps, at };
    steps.push(event);
    if (event.terminated || event.truncated || steps.length === nSteps) return { steps, at };
  }
  return { steps, at: undefined };
}

/**
 * Rows of the replay buffer in the order in which they come to be, as float32: observation, action,
 * sum over j of gamma^j r_j, next observation of the last step, gamma^k or 0.
 */
export function nStepRows(events: readonly SourceEvent[], nSteps: number, gamma: number) {
  const rows: ExpectedRow[] = [];
  const stepEvents = events.filter((event): event is SourceStep => !('cut' in event));
  // Where one event completes several, those of an environment come together, and the oldest first.
  for (const first of stepEvents.toSorted((a, b) => a.source - b.source)) {
    const { steps, at } = stepsFrom(events, first, nSteps);
    if (at === undefined) continue;
    const last = steps.at(-1)!;
    const reward = steps.reduce((sum, step, j) => sum + gamma ** j * step.reward, 0);
    const discount = last.terminated ? 0 : gamma ** steps.length;
    const { observation, action } = first;
    const row = [...Array.from(observation), ...Array.from(action), reward];
    rows.push({ at, row: [...row, ...Array.from(last.nextObservation), discount] });
  }
  const inOrder = rows.toSorted((a, b) => a.at - b.at);
  return Float32Array.from(inOrder.flatMap(({ row }) => row));
}
