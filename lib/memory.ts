/** Whether what is asked for fits the memory: better known before it is taken than when the system ends the process. */
import { freemem, totalmem } from 'node:os';
import { RunError } from './errors.js';

/** Something large. */
export interface MemoryNeed {
  /** What it is, with the option that makes it so large, e.g. "batches (batchSize)". */
  what: string;
  bytes: number;
}

/** Less than this is not worth a look at what the machine has. */
const smallBytes = 16e6;

/** Whether these bytes are so few that the machine need not be asked. */
export function isSmall(bytes: number): boolean {
  return bytes < smallBytes;
}

/** Bytes that a container or a Slurm job leaves this process; Infinity without a limit. */
function processLimit(): number {
  const limit = process.constrainedMemory();
  // Without a limit Node says 0, or a number beyond any memory.
  return limit > 0 ? limit : Infinity;
}

/** Bytes that this process can still take, the limit of a container or a Slurm job included. */
export function availableMemory(): number {
  const allowed = processLimit() - process.memoryUsage.rss();
  return Math.max(0, Math.min(allowed, freemem()));
}

/** Bytes that this process could take if it were alone: the measure for memory that may never be used. */
export function largestMemory(): number {
  return Math.min(processLimit(), totalmem());
}

/**
 * Check that all of `needs` fit `available` bytes together.
 *
 * @param available default: what this process can still take
 * @throws RunError that lists what needs how much, the largest first
 */
export function checkMemory(needs: readonly MemoryNeed[], available?: number): void {
  const total = needs.reduce((sum, { bytes }) => sum + bytes, 0);
  if (available === undefined && isSmall(total)) return;
  const most = available ?? availableMemory();
  if (total <= most) return;
  const parts = [...needs]
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ what, bytes }) => `${gigabytes(bytes)} for ${what}`);
  throw new RunError(
    `Not enough memory: ${gigabytes(most)} are available, and this takes ${parts.join(', ')}. ` +
      'Choose smaller ones, or a machine or job with more memory',
  );
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toLocaleString('en', { maximumSignificantDigits: 2 })} GB`;
}
