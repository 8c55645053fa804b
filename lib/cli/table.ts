/** Tables for people. */
import Table from 'cli-table3';
import { paint } from './terminal.js';
import type { Output } from './terminal.js';

/** A column: its heading, and whether it holds numbers, which are set flush right. */
export interface Column {
  title: string;
  numeric?: boolean;
}

/** Lines of a table without frames; headings are dim on a terminal. */
export function formatTable(
  output: Output,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const none = Object.fromEntries(
    'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid'
      .split(' ')
      .map((part) => [part, '']),
  );
  const table = new Table({
    head: columns.map(({ title }) => paint(output, 'dim', title)),
    colAligns: columns.map(({ numeric }) => (numeric === true ? 'right' : 'left')),
    chars: { ...none, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}
