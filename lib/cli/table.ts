/** Tables for people. */
import Table from 'cli-table3';
import { paint } from './terminal.js';
import type { Output } from './terminal.js';

/** A column: its heading, and whether it holds numbers, which are set flush right. */
export interface Column {
  title: string;
  numeric?: boolean;
}

/** cli-table3 draws a frame of these parts unless they are empty. */
const noFrame = Object.fromEntries(
  ['top', 'left', 'mid', 'right', 'bottom'].flatMap((side) =>
    ['', '-left', '-mid', '-right'].map((end) => [`${side}${end}`, '']),
  ),
);

/** Lines of a table without frames; headings are dim on a terminal. */
export function formatTable(
  output: Output,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const table = new Table({
    head: columns.map(({ title }) => paint(output, 'dim', title)),
    colAligns: columns.map(({ numeric }) => (numeric === true ? 'right' : 'left')),
    chars: { ...noFrame, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push([...row]);
  // The last column is padded too; that space would wrap on a narrow terminal.
  return table.toString().replace(/ +$/gm, '');
}
