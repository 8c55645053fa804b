/** Whether a training run fits the memory: better known before it than when the system ends the process. */
import { freemem } from 'node:os';
import { RunError } from '../errors.js';
import type { Td3Config } from './config.js';

const bytesPerNumber = 4;

/** Something large that a run needs. */
export interface MemoryNeed {
  /** What it is, with the option that makes it so large, e.g. "batches (batchSize)". */
  what: string;
  bytes: number;
}

/** Bytes that this process can still take, the limit of a container or a Slurm job included. */
export function availableMemory(): number {
  const limit = process.constrainedMemory();
  // Without a limit Node says 0, or a number beyond any memory.
  const allowed = limit > 0 ? limit - process.memoryUsage.rss() : Infinity;
  return Math.max(0, Math.min(allowed, freemem()));
}

/** What an update computes in: the batch, and activations with their gradients of three networks. */
export function batchNeed(
  config: Pick<Td3Config, 'batchSize' | 'hiddenSizes' | 'observationSize' | 'actionSize'>,
): MemoryNeed {
  const { batchSize, hiddenSizes, observationSize, actionSize } = config;
  const hidden = hiddenSizes.reduce((sum, width) => sum + width, 0);
  const numbers = 2 * (observationSize + actionSize) + 3 * 2 * hidden;
  return { what: 'batches (batchSize)', bytes: batchSize * numbers * bytesPerNumber };
}

/** A replay buffer that holds `transitions`. */
export function replayNeed(
  transitions: number,
  { observationSize, actionSize }: Pick<Td3Config, 'observationSize' | 'actionSize'>,
): MemoryNeed {
  const numbers = 2 * observationSize + actionSize + 2;
  return { what: 'the replay buffer (bufferSize)', bytes: transitions * numbers * bytesPerNumber };
}

/**
 * Check that all of `needs` fit `available` bytes together.
 *
 * @throws RunError that lists what needs how much, the largest first
 */
export function checkMemory(needs: readonly MemoryNeed[], available = availableMemory()): void {
  const total = needs.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total <= available) return;
  const parts = [...needs]
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ what, bytes }) => `${gigabytes(bytes)} for ${what}`);
  throw new RunError(
    `Not enough memory: ${gigabytes(available)} are available, and this takes ${parts.join(', ')}. ` +
      'Choose smaller ones, or a machine or job with more memory',
  );
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toLocaleString('en', { maximumSignificantDigits: 2 })} GB`;
}
