/**
 * Paired timing: candidates take turns within one run, so that what slows the machine down for a
 * while hits all of them; slots that other processes disturbed are told apart.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSecondsOfOthers } from './other-processes.js';
import { median, pairedRatio, summarize } from './statistics.js';
import type { PairedRatio, Summary } from './statistics.js';

/** Something to time. */
export interface Candidate {
  name: string;
  /**
   * Do `units` units of work. What it returns, if anything, is the seconds that they took, as
   * measured where the work was done; else the call is timed.
   */
  run(units: number): number | void | Promise<number | void>;
  /** A slot is a whole multiple of so many units. Default: 1. */
  multiple?: number;
  /** Processes that work for this candidate; they do not count as others during its slots. */
  pids?: readonly number[];
}

export interface TurnOptions {
  /** Slots that each candidate should have without disturbance. Default: 15. */
  rounds?: number;
  /** About how long a slot lasts. Default: 0.2. */
  slotSeconds?: number;
  /** When to stop although there are too few quiet slots; every candidate gets one round. Default: 60. */
  budgetSeconds?: number;
  /** A slot is quiet if others used less than this share of one core. Default: 0.05. */
  quietShare?: number;
  signal?: AbortSignal | undefined;
}

/** One slot. */
export interface Slot {
  /** Seconds per unit. */
  seconds: number;
  /** Cores that other processes kept busy meanwhile; null where that cannot be known. */
  others: number | null;
}

/** What came out for a candidate; times are seconds per unit. */
export interface Timing extends Summary {
  name: string;
  /** Units in each slot. */
  units: number;
  /** All slots, quiet or not. */
  slots: Slot[];
  /** Whether there were enough quiet slots; if not, the figures are over all slots. */
  quiet: boolean;
}

/** Between slots. */
const settleMilliseconds = 5;

/** Fewer quiet slots than this say nothing: all slots are used then. */
const leastQuiet = 3;

/** Let candidates take turns until all have enough quiet slots or the budget is spent. */
export async function takeTurns(
  candidates: readonly Candidate[],
  options: TurnOptions = {},
): Promise<Timing[]> {
  const { rounds = 15, budgetSeconds = 60, quietShare = 0.05 } = options;
  // A small budget is for a look, not for figures: it still has to do for a few rounds.
  const affordable = budgetSeconds / candidates.length / leastQuiet;
  const slotSeconds = Math.min(options.slotSeconds ?? 0.2, affordable);
  const end = performance.now() + budgetSeconds * 1e3;
  const running: Running[] = [];
  for (const candidate of candidates) {
    const units = await unitsPerSlot(candidate, slotSeconds, budgetSeconds / candidates.length);
    running.push({ candidate, units, slots: [] });
    options.signal?.throwIfAborted();
  }
  const allPids = candidates.flatMap(({ pids = [] }) => [...pids]);
  const enough = () => running.every(({ slots }) => quietSlots(slots, quietShare).length >= rounds);
  for (let round = 0; round === 0 || (!enough() && performance.now() < end); round++) {
    // Wait for others to finish, but for no more than a round's share of the budget.
    const share = performance.now() + (budgetSeconds / rounds) * 1e3;
    if (round >= leastQuiet) await waitForQuiet(Math.min(end, share), allPids);
    // Another is first in every round: a pause came before it, which can be to its advantage.
    for (let place = 0; place < running.length; place++) {
      const turn = running[(round + place) % running.length]!;
      turn.slots.push(await timeSlot(turn.candidate, turn.units));
      options.signal?.throwIfAborted();
    }
  }
  return running.map((turn) => report(turn, quietShare));
}

/**
 * How many times as long a unit of `a` takes as one of `b`, from the rounds in which both were
 * quiet, or from all where those are too few.
 */
export function ratioOfTimes(a: Timing, b: Timing, quietShare = 0.05): PairedRatio {
  const pairs = a.slots.flatMap((slot, i) => {
    const other = b.slots[i];
    return other === undefined ? [] : [[slot, other] as const];
  });
  const quiet = pairs.filter((pair) => pair.every((slot) => isQuiet(slot, quietShare)));
  const used = quiet.length >= leastQuiet ? quiet : pairs;
  return pairedRatio(
    used.map(([slot]) => slot.seconds),
    used.map(([, slot]) => slot.seconds),
  );
}

interface Running {
  candidate: Candidate;
  units: number;
  slots: Slot[];
}

/** Where nothing is known of others, a slot counts; the report says that it may not be quiet. */
function isQuiet({ others }: Slot, quietShare: number): boolean {
  return others === null || others < quietShare;
}

function quietSlots(slots: readonly Slot[], quietShare: number): Slot[] {
  return slots.filter((slot) => isQuiet(slot, quietShare));
}

/** Warms the candidate up, and finds how many units a slot should have. */
async function unitsPerSlot(
  candidate: Candidate,
  slotSeconds: number,
  budgetSeconds: number,
): Promise<number> {
  const { multiple = 1 } = candidate;
  // Short units need more of them for a first impression.
  let units = multiple;
  let best = Infinity;
  const end = performance.now() + Math.min(slotSeconds, budgetSeconds / 4) * 1e3;
  do {
    const seconds = await timeUnits(candidate, units);
    best = Math.min(best, seconds / units);
    if (seconds < slotSeconds / 20) units *= 2;
  } while (performance.now() < end);
  return Math.max(1, Math.round(slotSeconds / best / multiple)) * multiple;
}

async function timeUnits(candidate: Candidate, units: number): Promise<number> {
  const start = performance.now();
  const result = candidate.run(units);
  // Awaiting nothing would put other work into the slot.
  const seconds = result instanceof Promise ? await result : result;
  return seconds ?? (performance.now() - start) / 1e3;
}

async function timeSlot(candidate: Candidate, units: number): Promise<Slot> {
  // Threads of the candidate before may still be spinning; signals get their chance too.
  await sleep(settleMilliseconds);
  const before = cpuSecondsOfOthers(candidate.pids);
  const start = performance.now();
  const seconds = await timeUnits(candidate, units);
  const elapsed = (performance.now() - start) / 1e3;
  const after = cpuSecondsOfOthers(candidate.pids);
  const others = before === null || after === null ? null : (after - before) / elapsed;
  return { seconds: seconds / units, others };
}

/** Sleep until other processes use little of the machine, or until `end`. */
async function waitForQuiet(end: number, own: readonly number[], share = 0.1): Promise<void> {
  while (performance.now() < end) {
    const [before, start] = [cpuSecondsOfOthers(own), performance.now()];
    if (before === null) return;
    await sleep(100);
    const used = (cpuSecondsOfOthers(own) ?? before) - before;
    if (used / ((performance.now() - start) / 1e3) < share) return;
  }
}

function report({ candidate, units, slots }: Running, quietShare: number): Timing {
  const undisturbed = quietSlots(slots, quietShare);
  const enough = undisturbed.length >= leastQuiet;
  const used = enough ? undisturbed : slots;
  return {
    name: candidate.name,
    units,
    ...summarize(used.map(({ seconds }) => seconds)),
    slots,
    quiet: enough && slots.every(({ others }) => others !== null),
  };
}

/** Cores that other processes kept busy in the median slot; null where that cannot be known. */
export function busyElsewhere(timings: readonly Timing[]): number | null {
  const known = timings.flatMap(({ slots }) => slots.flatMap(({ others }) => others ?? []));
  return known.length === 0 ? null : median(known);
}
