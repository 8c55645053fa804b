/** Words of a shell command that a user may copy. */

/** A word as a shell has to be given it: in single quotes unless it is plain. */
export function quoteWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A path as an argument: one that begins with a dash is no flag then. */
export function quotePath(path: string): string {
  return quoteWord(path.startsWith('-') ? `./${path}` : path);
}
