/** Suggestions for misspelt names. */

/**
 * The candidate nearest to `word`, or undefined if none is near enough to be what was meant.
 *
 * Distance is Levenshtein's, without regard to case, hyphens and underscores, and may be at most
 * a third of the word's length (but 2 letters always).
 */
export function findNearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = normalize(word);
  let best: string | undefined;
  let least = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, normalize(candidate));
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** A sentence for the end of an error message: "Did you mean X?", or the list if nothing is near. */
export function suggest(word: string, candidates: readonly string[]): string {
  const nearest = findNearest(word, candidates);
  return nearest === undefined ? `Known are ${candidates.join(', ')}` : `Did you mean ${nearest}?`;
}

function normalize(word: string): string {
  return word.toLowerCase().replace(/[-_\s]/g, '');
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
