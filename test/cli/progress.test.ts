import { expect, test } from '@jest/globals';
import { ProgressBar } from '../../lib/cli/progress.js';
import { captureTerminal } from './support.js';

const figures = {
  step: 31_000,
  steps: 50_000,
  updates: 21_000,
  episodes: 31,
  stepsPerSecond: 512.3,
  updatesPerSecond: 498.7,
};

test('without a terminal there are lines without control characters', () => {
  const terminal = captureTerminal();
  const bar = new ProgressBar(terminal.stderr, 50_000);
  bar.update({ ...figures, phase: 'training', lastReturn: 3211.44, secondsLeft: 80 });
  bar.stop();
  const lines = terminal.err().trimEnd().split('\n');
  expect(lines[0]).toMatch(/^░+ 0% {2}0\/50,000 {2}warm-up {2}return - {2}- steps\/s/);
  expect(lines.at(-1)).toMatch(/^█+░+ 62% {2}31,000\/50,000 {2}1m 20s left {2}return 3,211\.4 {2}/);
  expect(lines.at(-1)).toMatch(/ {2}512 steps\/s {2}499 updates\/s$/);
  expect(terminal.err()).not.toContain('\u001b');
});

test('what goes on besides training is named', () => {
  const terminal = captureTerminal();
  const bar = new ProgressBar(terminal.stderr, 50_000);
  bar.update({ ...figures, phase: 'evaluating', secondsLeft: 80 });
  bar.stop();
  expect(terminal.err()).toMatch(/ {2}evaluating {2}return - {2}512 steps/);
});
