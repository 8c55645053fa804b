/** What networks, batches and replay buffers take, and whether a device has it. */
import { RunError } from '../errors.js';
import { availableMemory, isSmall, largestMemory } from '../memory.js';
import type { MemoryNeed } from '../memory.js';
import type { Device } from './device.js';

const bytesPerNumber = 4;

/** What decides how large a network is; see `MlpOptions`. */
export interface NetworkShape {
  readonly sizes: readonly number[];
  /** n and m of each layer, null for a dense one. */
  readonly patterns: readonly ({ readonly n: number; readonly m: number } | null)[];
  readonly members: number;
  /** Adam's moments and gradients are held for all weights, or for active ones alone. */
  readonly learnsDormant: boolean;
  readonly role: 'online' | 'target' | 'inference';
}

/** Bytes of a layer's weights, indices and, where it learns, moments and gradients; biases are few. */
function layerBytes(shape: NetworkShape, inputs: number, outputs: number, layer: number): number {
  const pattern = shape.patterns[layer] ?? null;
  const density = pattern === null ? 1 : pattern.n / pattern.m;
  const stored = shape.role === 'inference' ? density : 1;
  const learning = shape.role !== 'online' ? 0 : 3 * (shape.learnsDormant ? 1 : density);
  // Columns and the transposed index, which repeats the values.
  const index = pattern === null ? 0 : density * (shape.role === 'online' ? 2.5 : 0.5);
  return outputs * inputs * (stored + learning + index) * bytesPerNumber;
}

/** A network or an ensemble. */
export function networkBytes(shape: NetworkShape): number {
  let bytes = 0;
  for (let layer = 0; layer + 1 < shape.sizes.length; layer++) {
    bytes += layerBytes(shape, shape.sizes[layer] ?? 0, shape.sizes[layer + 1] ?? 0, layer);
  }
  return shape.members * bytes;
}

/** Activations of a pass, and their gradients, which are kept for a backward pass. */
export function passNeed(sizes: readonly number[], members: number, rows: number): MemoryNeed {
  const widths = sizes.slice(1).reduce((sum, width) => sum + width, 0);
  const bytes = 2 * members * rows * widths * bytesPerNumber;
  return { what: 'the activations of a batch', bytes };
}

/** Rows are held in tiles of so many. */
const tileRows = 32;

export function matrixNeed(batch: number, columns: number): MemoryNeed {
  const rows = Math.ceil(batch / tileRows) * tileRows;
  return { what: 'a batch matrix', bytes: rows * columns * bytesPerNumber };
}

/** A replay buffer of so many rows. */
export function replayBytes(capacity: number, rowLength: number): number {
  return capacity * rowLength * bytesPerNumber;
}

/** A GPU's memory is its own, and what it lacks its driver says; every other device takes the host's. */
function takesHostMemory(device: Device): boolean {
  return device.info.name !== 'cuda';
}

/** @throws RunError if `need` does not fit the memory that the device takes */
export function checkFits(device: Device, need: MemoryNeed): void {
  if (!isSmall(need.bytes) && takesHostMemory(device)) refuseBeyond(availableMemory(), need);
}

/**
 * The same for memory that is taken only as it is filled, which may never come to pass: it has to fit a machine
 * that does nothing else.
 */
export function checkFitsFilled(device: Device, need: MemoryNeed): void {
  if (!isSmall(need.bytes) && takesHostMemory(device)) refuseBeyond(largestMemory(), need);
}

/** In the words of native code, for which memory turned out to be short. */
function refuseBeyond(available: number, { what, bytes }: MemoryNeed): void {
  if (bytes <= available) return;
  const megabytes = (count: number) => Math.round(count / 1e6);
  throw new RunError(
    `Not enough memory for ${megabytes(bytes)} MB, which ${what} would take, where ` +
      `${megabytes(available)} MB are available: use a smaller batchSize, hiddenSizes or bufferSize`,
  );
}
