import { expect, test } from '@jest/globals';
import { ProgressBar } from '../../lib/cli/progress.js';
import type { TrainProgress } from '../../lib/train/index.js';
import { captureTerminal } from './support.js';

const figures = {
  step: 31_000,
  steps: 50_000,
  updates: 21_000,
  episodes: 31,
  stepsPerSecond: 512.3,
  updatesPerSecond: 498.7,
};
const evaluation = {
  step: 30_000,
  seed: 7,
  trainSeconds: 50,
  wallSeconds: 60,
  mean: 1,
  std: 0,
  min: 1,
  max: 1,
  returns: [1],
  lengths: [9],
};

/** The text that a bar leaves where there is no terminal. */
function lastLine(progress: Partial<TrainProgress>, state?: string): string {
  const terminal = captureTerminal();
  const bar = new ProgressBar(terminal.stderr, 50_000);
  bar.update({ ...figures, phase: 'training', ...progress });
  bar.stop(state);
  return terminal.err();
}

test('without a terminal there are lines without bar, control characters and blank lines', () => {
  expect(lastLine({ lastReturn: 3211.44, secondsLeft: 80, evaluation })).toBe(
    '62%  31,000/50,000  1m 20s left  return 3,211.4  eval 1.0  512 steps/s  499 updates/s\n',
  );
});

test('a terminal gets a bar, which is left there', () => {
  const terminal = captureTerminal();
  const stderr = Object.assign(terminal.stderr, {
    isTTY: true,
    columns: 120,
    cursorTo: () => true,
    moveCursor: () => true,
    clearLine: () => true,
  });
  const bar = new ProgressBar(stderr, 50_000);
  bar.update({ ...figures, step: 50_000, phase: 'saving' });
  bar.stop('done');
  expect(terminal.err()).toMatch(/█{18} 100% {2}50,000\/50,000 {2}done {2}return - .*\n$/);
});

test('what goes on besides training is named, and what has become of the run', () => {
  expect(lastLine({ phase: 'evaluating', secondsLeft: 80 })).toMatch(/ {2}evaluating {2}return - /);
  expect(lastLine({ phase: 'saving' }, 'done')).toMatch(/^62% .* {2}done {2}return/);
});

test('the time left is not told before it is known, and what it lacks is said', () => {
  expect(lastLine({})).toMatch(/ {2}training {2}return/);
  expect(lastLine({ secondsLeft: 80 })).toMatch(/ {2}1m 20s left \+ evaluation {2}return/);
});
