/** Which rows of a replay buffer a run keeps on disk: those that any of its checkpoints may ask for. */
import type { ReplaySegments } from './replay-segments.js';
import type { ReplayRows } from './trainable.js';

export class ReplayKeeper {
  readonly #replay: ReplayRows | undefined;
  readonly #segments: ReplaySegments;
  /** The oldest row that each kept checkpoint needs, oldest checkpoint first. */
  readonly #needed: number[] = [];
  readonly #keep: number;

  /**
   * @param replay undefined where no rows are kept
   * @param keep checkpoints that are kept
   */
  constructor(replay: ReplayRows | undefined, segments: ReplaySegments, keep: number) {
    this.#replay = replay;
    this.#segments = segments;
    this.#keep = keep;
  }

  /** Rows added to the buffer; null where none are kept. */
  get added(): number | null {
    return this.#replay?.added ?? null;
  }

  /** Before a checkpoint is written. @throws RunError when the disk does not take the rows */
  save(): void {
    if (this.#replay !== undefined) this.#segments.save(this.#replay);
  }

  /** Older checkpoints are gone now, and what they alone needed. */
  checkpointWritten(): void {
    if (this.#replay === undefined) return;
    this.#needed.push(this.#replay.added - this.#replay.size);
    // Of checkpoints before a run went on nothing is known: rows stay until those are gone.
    if (this.#needed.length > this.#keep) this.#needed.shift();
    const [oldest] = this.#needed;
    if (this.#needed.length === this.#keep && oldest !== undefined) {
      this.#segments.forgetBefore(oldest);
    }
  }

  close(): void {
    this.#segments.close();
  }
}
