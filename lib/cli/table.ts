/** Tables for people. */
import { stripVTControlCharacters } from 'node:util';
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

/** Rows that are laid out at once: the time grows with their square, and some 100,000 fill the stack. */
const blockRows = 100;

/** Lines of a table without frames; headings are dim on a terminal. */
export function formatTable(
  output: Output,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const head = columns.map(({ title }) => paint(output, 'dim', title));
  if (rows.length <= blockRows) return formatBlock(columns, rows, { head });
  const widths = columns.map((_, i) => columnWidth(head[i], rows, i));
  return Array.from({ length: Math.ceil(rows.length / blockRows) }, (_, block) => {
    const part = rows.slice(block * blockRows, (block + 1) * blockRows);
    return formatBlock(columns, part, { head: block === 0 ? head : [], colWidths: widths });
  }).join('\n');
}

function columnWidth(heading = '', rows: readonly (readonly string[])[], column: number): number {
  const width = (text = '') => stripVTControlCharacters(text).length;
  return rows.reduce((most, row) => Math.max(most, width(row[column])), width(heading));
}

function formatBlock(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  options: { head: string[]; colWidths?: number[] },
): string {
  const table = new Table({
    ...options,
    colAligns: columns.map(({ numeric }) => (numeric === true ? 'right' : 'left')),
    chars: { ...noFrame, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push([...row]);
  // The last column is padded too; that space would wrap on a narrow terminal.
  return table.toString().replace(/ +$/gm, '');
}
