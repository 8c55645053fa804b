import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { formatTable } from '../../lib/cli/table.js';
import { paint } from '../../lib/cli/terminal.js';

const terminal = { write: () => true, isTTY: true };
const pipe = { write: () => true };
const before = process.env['NO_COLOR'];

beforeEach(() => {
  delete process.env['NO_COLOR'];
});
afterEach(() => {
  if (before !== undefined) process.env['NO_COLOR'] = before;
});

test('only a terminal gets colours, and only if NO_COLOR is not set', () => {
  expect(paint(terminal, 'red', 'x')).toBe('\u001b[31mx\u001b[39m');
  expect(paint(pipe, 'red', 'x')).toBe('x');
  process.env['NO_COLOR'] = '1';
  expect(paint(terminal, 'red', 'x')).toBe('x');
  process.env['NO_COLOR'] = '';
  expect(paint(terminal, 'red', 'x')).toBe('\u001b[31mx\u001b[39m');
});

test('a table aligns text left and numbers right, without frames or trailing space', () => {
  const columns = [{ title: 'Case' }, { title: 'Steps', numeric: true }, { title: 'Note' }];
  const rows = [
    ['a', '7', 'first'],
    ['longer', '1,000,000', ''],
  ];
  expect(formatTable(pipe, columns, rows).split('\n')).toEqual([
    'Case        Steps  Note',
    'a               7  first',
    'longer  1,000,000',
  ]);
});

test('a table of very many rows is one table', () => {
  const rows = Array.from({ length: 130_000 }, (_, i) => [String(i + 1), 'x'.repeat(i % 3)]);
  const lines = formatTable(pipe, [{ title: 'No', numeric: true }, { title: 'X' }], rows).split(
    '\n',
  );
  expect(lines).toHaveLength(130_001);
  expect([lines[0], lines[2], lines.at(-1)]).toEqual(['    No  X', '     2  x', '130000']);
});
