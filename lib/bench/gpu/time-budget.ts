/** Time for a part of a benchmark, shared by what is still to do. */
export class TimeBudget {
  readonly #end: number;

  /** @param seconds from now on */
  constructor(seconds: number) {
    this.#end = performance.now() + seconds * 1e3;
  }

  /** Seconds that are left; 0 when there are none. */
  get left(): number {
    return Math.max(0, (this.#end - performance.now()) / 1e3);
  }

  get spent(): boolean {
    return this.left === 0;
  }

  /** Seconds for the next of `pieces` that are still to do. */
  share(pieces: number): number {
    return this.left / Math.max(1, pieces);
  }
}
