/** Normalises observations by what was observed so far: batches on a device, single ones before. */
import type { BatchMatrix, BatchView, Device } from '../device/index.js';
import { ObservationStatistics } from './observation-statistics.js';

export class ObservationNormalizer {
  readonly statistics: ObservationStatistics;
  readonly #device: Device;
  readonly #matrix: BatchMatrix;
  #uploaded: Float32Array | undefined;

  /** @param size length of an observation */
  constructor(device: Device, size: number) {
    this.#device = device;
    this.statistics = new ObservationStatistics(size);
    this.#matrix = device.matrix(2, size);
  }

  /** Bring the device's statistics up to date: before `normalize`, and outside of a graph with it. */
  upload(): void {
    const { table } = this.statistics;
    if (table === this.#uploaded) return;
    this.#matrix.set(table);
    this.#uploaded = table;
  }

  /** Normalise batches of observations in place, [rows, size] each. */
  normalize(...views: BatchView[]): void {
    for (const view of views) this.#device.normalize(view, this.#matrix);
  }

  /** Free its memory now. Further use throws. */
  close(): void {
    this.#matrix.close();
  }
}
