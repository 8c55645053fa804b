/** Tables and numbers as a page has them. */

/** What stands where there is no number. */
export const none = '–';

/** A table whose first column is text, and others too where `left` names them by their heads. */
export function table(head, rows, left = []) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const isText = (name, i) => i === 0 || left.includes(name);
  const rule = head.map((name, i) => (isText(name, i) ? ':--' : '--:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

/** Rounded, with commas. */
export function whole(value) {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : none;
}

/** With two digits. */
export function ratio(value) {
  return Number.isFinite(value) ? value.toFixed(2) : none;
}

/** A value with its interval, if that is known: "0.97 (0.91 to 1.04)". */
export function withEnds(interval) {
  if (interval === undefined) return none;
  const { value, low, high } = interval;
  return low === undefined ? ratio(value) : `${ratio(value)} (${ratio(low)} to ${ratio(high)})`;
}

/** "a", "a and b", "a, b and c". */
export function list(names) {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
