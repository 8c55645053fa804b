/** Book-keeping of training episodes. */

/** How many of the last episodes the mean is taken over. */
const recentEpisodes = 10;

/** What `EpisodeLog` holds. */
export interface EpisodeLogState {
  count: number;
  lastLength: number;
  recent: number[];
}

/** The running episode of one environment. */
export class Episode {
  readonly #log: EpisodeLog;
  #total = 0;
  #length = 0;

  /** Use `log.begin()`. */
  constructor(log: EpisodeLog) {
    this.#log = log;
  }

  /** Count one step. */
  add(reward: number): void {
    this.#total += reward;
    this.#length += 1;
  }

  /** It has ended, and the next one begins. */
  end(): void {
    this.#log.record(this.#total, this.#length);
    this.drop();
  }

  /** It was cut short and does not count. */
  drop(): void {
    this.#total = 0;
    this.#length = 0;
  }

  /** Return and steps so far. */
  get progress(): { total: number; length: number } {
    return { total: this.#total, length: this.#length };
  }

  set progress({ total, length }: { total: number; length: number }) {
    this.#total = total;
    this.#length = length;
  }
}

/** Returns and lengths of the episodes that a run goes through. */
export class EpisodeLog {
  #count = 0;
  #lastLength = 0;
  #recent: number[] = [];

  /** All of it, for a checkpoint. */
  get state(): EpisodeLogState {
    return { count: this.#count, lastLength: this.#lastLength, recent: [...this.#recent] };
  }

  set state({ count, lastLength, recent }: EpisodeLogState) {
    this.#count = count;
    this.#lastLength = lastLength;
    this.#recent = [...recent];
  }

  /** The episodes of one environment, one after the other. */
  begin(): Episode {
    return new Episode(this);
  }

  /** An episode has ended. */
  record(total: number, length: number): void {
    this.#count += 1;
    this.#lastLength = length;
    this.#recent.push(total);
    if (this.#recent.length > recentEpisodes) this.#recent.shift();
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
