/**
 * Seeded random numbers whose state can be saved and restored.
 *
 * One generator serves everything on the TypeScript side that draws numbers: the resets of the
 * environments and the exploration of the agent.
 */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus, xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import type { JumpableRandomGenerator } from 'pure-rand/types/JumpableRandomGenerator';
import { checkInteger, checkNumber, invalidValue } from './errors.js';

/** All that is needed to draw the same numbers again; survives `JSON.stringify`. */
export interface RandomState {
  /** The generator's four 32-bit words. */
  words: number[];
  /** The second normal of a Box-Muller pair, not yet handed out. */
  spareNormal: number | null;
}

/** What draws from a run's one seed; each has numbers of its own. */
export const randomStreams = { environment: 0, exploration: 1, evaluation: 2 } as const;

/** The largest distance between two ends that integers are drawn from. */
const mostIntegers = Number.MAX_SAFE_INTEGER;

/** Streams of a seed: finding the start of each takes a jump. */
const lastStream = 1023;

/** A source of random numbers: the same seed gives the same numbers on every machine. */
export class Random {
  #generator: JumpableRandomGenerator;
  #spareNormal: number | null = null;

  /**
   * @param seed integer from 0 to 2^53 - 1
   * @param stream one of the streams of `randomStreams`, or another integer from 0 to 1023: sources with
   *   the same seed and different streams draw independent numbers. Default: that of environments
   * @throws InvalidValueError when one of them is not such an integer
   */
  constructor(seed: number, stream: number = randomStreams.environment) {
    checkInteger('seed', seed, 0);
    this.#generator = seededGenerator(seed, checkInteger('stream', stream, 0, lastStream));
  }

  /** Go on exactly where the source that gave `state` stood. */
  static fromState(state: RandomState): Random {
    checkRandomState('state', state);
    const random = new Random(0);
    random.#generator = xoroshiro128plusFromState(state.words);
    random.#spareNormal = state.spareNormal;
    return random;
  }

  /** A copy of the state, for `Random.fromState`. */
  state(): RandomState {
    return { words: [...this.#generator.getState()], spareNormal: this.#spareNormal };
  }

  /** A number from [low, high), with 53 random bits; `low` where both are the same. */
  uniform(low = 0, high = 1): number {
    if (
      typeof low !== 'number' ||
      typeof high !== 'number' ||
      !(high - low >= 0 && high - low < Infinity)
    ) {
      checkInterval(low, high);
    }
    return low + (high - low) * uniformFloat64(this.#generator);
  }

  /** An integer from low to high, both included. */
  integer(low: number, high: number): number {
    checkInteger('low', low, Number.MIN_SAFE_INTEGER);
    checkInteger('high', high, low, Math.min(low + mostIntegers, Number.MAX_SAFE_INTEGER));
    return uniformInt(this.#generator, low, high);
  }

  /** A number from the normal distribution with mean 0 and deviation 1 (Box-Muller). */
  normal(): number {
    if (this.#spareNormal !== null) {
      const spare = this.#spareNormal;
      this.#spareNormal = null;
      return spare;
    }
    // 1 - u lies in (0, 1], so that the logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log(1 - uniformFloat64(this.#generator)));
    const angle = 2 * Math.PI * uniformFloat64(this.#generator);
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

/**
 * The library's own seeding puts the seed straight into the state, and the first numbers show it:
 * neighbouring seeds begin alike. A jump mixes every bit of the seed into the whole state; each
 * further one leads to a stream 2^64 numbers away.
 */
function seededGenerator(seed: number, stream: number): JumpableRandomGenerator {
  const low = seed | 0;
  const high = Math.floor(seed / 2 ** 32);
  const [w0, w1, w2] = xoroshiro128plus(low).getState() as [number, number, number, number];
  const generator = xoroshiro128plusFromState([w0, w1, w2, high]);
  for (let jumps = 0; jumps <= stream; jumps++) generator.jump();
  return generator;
}

/** Find what keeps numbers from being drawn between two ends. */
function checkInterval(low: unknown, high: unknown): never {
  const least = checkNumber('low', low);
  const expected = `a number of at least low (${least}) at a distance that float64 can hold`;
  throw invalidValue('high', expected, high);
}

/**
 * Check that `state` is what `state()` of a source returned.
 *
 * @param name what the message calls it
 */
export function checkRandomState(name: string, state: unknown): void {
  const { words, spareNormal } = (state ?? {}) as Partial<Record<keyof RandomState, unknown>>;
  const valid =
    Array.isArray(words) &&
    words.length === 4 &&
    words.every((word) => word === (word as number) >> 0);
  if (!valid || words.every((word) => word === 0)) {
    throw invalidValue(
      `${name}.words`,
      'an array of four 32-bit integers, not all zero',
      words,
      'Pass what random.state() returned.',
    );
  }
  if (spareNormal !== null) checkNumber(`${name}.spareNormal`, spareNormal);
}
