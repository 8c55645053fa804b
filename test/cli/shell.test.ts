/** Suggested commands, read by a real shell. */
import { execFileSync } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { quotePath, quoteWord } from '../../lib/cli/shell.js';

const words = [
  'runs/HalfCheetah-v5-1of4-seed0',
  'my runs/ü',
  "it's",
  '$HOME `id` $(id) "x" \\ !',
  'a;b&c|d>e<f*g?h[i]{j}~k#l',
  '~',
  '',
  'two\nlines',
  "''",
];

test.each(words)('%j reaches a command as it is', (word) => {
  const script = `printf '%s|' ${quoteWord(word)} end`;
  expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(`${word}|end|`);
});

test('what is plain stays plain, and a path is no flag', () => {
  expect(quoteWord('runs/a-1.5_b')).toBe('runs/a-1.5_b');
  expect(quotePath('-run')).toBe('./-run');
  expect(quotePath('--my run')).toBe("'./--my run'");
});
