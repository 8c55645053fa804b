/** Book-keeping of training episodes. */

/** How many of the last episodes the mean is taken over. */
const recentEpisodes = 10;

/** Returns and lengths of the episodes that a run goes through. */
export class EpisodeLog {
  #count = 0;
  #total = 0;
  #length = 0;
  #lastLength = 0;
  readonly #recent: number[] = [];

  /** Count one step of the running episode. */
  add(reward: number): void {
    this.#total += reward;
    this.#length += 1;
  }

  /** The running episode has ended. */
  end(): void {
    this.#count += 1;
    this.#lastLength = this.#length;
    this.#recent.push(this.#total);
    if (this.#recent.length > recentEpisodes) this.#recent.shift();
    this.drop();
  }

  /** The running episode was cut short and does not count. */
  drop(): void {
    this.#total = 0;
    this.#length = 0;
  }

  /** Episodes finished. */
  get count(): number {
    return this.#count;
  }

  /** Return of the last episode, if there was one. */
  get lastReturn(): number | undefined {
    return this.#recent.at(-1);
  }

  /** Mean return of the last episodes, if there were any. */
  get meanReturn(): number | undefined {
    if (this.#recent.length === 0) return undefined;
    return this.#recent.reduce((sum, value) => sum + value, 0) / this.#recent.length;
  }

  /** For metrics; nothing before the first episode has ended. */
  values(): Record<string, number> {
    if (this.lastReturn === undefined || this.meanReturn === undefined) return {};
    return {
      'train/returnLast': this.lastReturn,
      'train/returnMean': this.meanReturn,
      'train/episodeLength': this.#lastLength,
      'train/episodes': this.#count,
    };
  }
}
