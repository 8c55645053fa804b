/** Work for a GPU as something to time: queued without waiting, with one wait at the end. */
import type { Device } from '../../device/index.js';
import type { Candidate } from '../pairing.js';

/** Calls that one graph repeats: it takes less than 64 numbers, and an Adam step has seven. */
export const callsPerGraph = 8;

/** A function that returns when all that was enqueued on the device is done. */
export function makeWait(device: Device): () => void {
  const one = device.matrix(1, 1);
  return () => void one.get();
}

/** `callsPerGraph` times the same calls as one launch; a unit is a launch. */
export function repeatCalls(device: Device, name: string, calls: () => void): Candidate {
  const graph = device.capture(() => {
    for (let i = 0; i < callsPerGraph; i++) calls();
  });
  return enqueue(device, name, () => graph.run());
}

/** Units that are enqueued one after the other. */
export function enqueue(
  device: Device,
  name: string,
  unit: () => void,
  options: Pick<Candidate, 'multiple'> = {},
): Candidate {
  const wait = makeWait(device);
  const run = (units: number) => {
    for (let i = 0; i < units; i++) unit();
    wait();
  };
  return { name, run, ...options };
}

/**
 * Run each a few times: the first calls allocate memory that all networks of a device share, after
 * which graphs are recorded again.
 */
export async function warmUp(candidates: readonly Candidate[]): Promise<void> {
  for (let round = 0; round < 3; round++) {
    for (const candidate of candidates) await candidate.run(candidate.multiple ?? 1);
  }
}
