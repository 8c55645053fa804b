import { describe, expect, test } from '@jest/globals';
import { compileSchedule } from '../../lib/td3/schedule.js';

const at = (value: number | string, t: number) => compileSchedule('x', value).at(t);

describe('compileSchedule: numbers', () => {
  test('a number is the same at every step', () => {
    const schedule = compileSchedule('x', 0.25);
    expect(schedule).toMatchObject({ source: 0.25, constant: true });
    expect([0, 1, 1e6].map((t) => schedule.at(t))).toEqual([0.25, 0.25, 0.25]);
  });

  test('text that holds a number is that number', () => {
    expect(compileSchedule('x', ' 3e-4 ')).toMatchObject({ source: 3e-4, constant: true });
  });

  test.each([NaN, Infinity, -0.1, 1.1, '-1', '1e999'])('%p is outside 0 to 1', (value) => {
    expect(() => compileSchedule('rate', value, { min: 0, max: 1 })).toThrow(
      /^Expected rate to be a finite number from 0 to 1, or an expression of t but received/,
    );
  });

  test('a number that has to be an integer is not rounded', () => {
    expect(compileSchedule('x', 7, { min: 1, integer: true }).at(0)).toBe(7);
    expect(() => compileSchedule('x', 7.5, { min: 1, integer: true })).toThrow(
      'Expected x to be an integer of at least 1, or an expression of t but received 7.5',
    );
  });

  test.each([[undefined], [null], [{}], [true]])('%p is no schedule', (value) => {
    expect(() => compileSchedule('x', value as never)).toThrow('Expected x to be a finite number');
  });
});

describe('compileSchedule: expressions', () => {
  test.each<[string, number, number]>([
    ['0.2 * exp(-t / 2e5)', 2e5, 0.2 * Math.exp(-1)],
    ['max(0.05, 1 - t / 10)', 9, 0.1],
    ['max(0.05, 1 - t / 10)', 100, 0.05],
    ['t < 10 ? 1 : 2 ^ -1', 9, 1],
    ['t < 10 ? 1 : 2 ^ -1', 10, 0.5],
    ['2 pi t', 3, 6 * Math.PI],
    ['(1 + cos(pi * t / 4)) / 2', 2, 0.5],
    ['log(e) + sqrt(4) + abs(-t) + pow(t, 2) + min(t, 9)', 3, 18],
    ['floor(t) + ceil(t) + round(t) + sign(-t)', 1.4, 3],
    ['tanh(t) - sin(t)', 0.5, Math.tanh(0.5) - Math.sin(0.5)],
  ])('%s at t = %d', (source, t, value) => {
    expect(at(source, t)).toBeCloseTo(value, 12);
    expect(compileSchedule('x', source)).toMatchObject({ source, constant: false });
  });

  test('each schedule has its own step', () => {
    const a = compileSchedule('a', '1 * t');
    const b = compileSchedule('b', '2 * t');
    expect([a.at(1), b.at(5), a.at(2)]).toEqual([1, 10, 2]);
  });

  test('an expression for an integer is rounded, then held to the range', () => {
    const schedule = compileSchedule('maskInterval', '1000 / (1 + t)', { min: 1, integer: true });
    expect([0, 2, 1000].map((t) => schedule.at(t))).toEqual([1000, 333, 1]);
    expect(() => schedule.at(1e4)).toThrow(
      'Expected maskInterval ("1000 / (1 + t)") at t = 10000 to be a finite number of at least 1',
    );
  });

  test('a value out of range names expression, step and value', () => {
    const schedule = compileSchedule('learningRate', '0.1 - t', { min: 0 });
    expect(schedule.at(0)).toBe(0.1);
    expect(() => schedule.at(5)).toThrow(
      'Expected learningRate ("0.1 - t") at t = 5 to be a finite number of at least 0 ' +
        'but received -4.9 of type number',
    );
    expect(() => compileSchedule('x', '1 / t').at(0)).toThrow('received Infinity');
    expect(() => compileSchedule('x', 'sqrt(-1 - t)').at(0)).toThrow('received NaN');
  });
});

describe('compileSchedule: what is not an arithmetic expression of t', () => {
  test.each([
    ['2 * x', 'the name x is not allowed'],
    ['random()', 'the function random is not allowed'],
    ['import({})', 'the function import is not allowed'],
    ['t % 2', 'the operator % is not allowed'],
    ['t!', 'the operator ! is not allowed'],
    ['true', 'the constant true is not allowed'],
    ['"1"', 'the constant "1" is not allowed'],
    ['x = 3', '"x = 3" is not allowed'],
    ['f(t) = t', '"f(t) = t" is not allowed'],
    ['[1, 2]', '"[1, 2]" is not allowed'],
    ['{a: 1}', '"{"a": 1}" is not allowed'],
    ['1; 2', 'is not allowed'],
    ['1:3', '"1:3" is not allowed'],
    ['t.constructor', '"t.constructor" is not allowed'],
    ['exp.constructor("return process")', 'is not allowed'],
    ['0 < t < 5', '"0 < t < 5" is not allowed'],
    ['max(t, cot(t))', 'the function cot is not allowed'],
    ['t < 5', 'its result is not a number'],
    ['exp()', 'Too few arguments'],
    ['2 *', 'Unexpected end of expression'],
    ['', 'it is empty'],
    ['   ', 'it is empty'],
    [`1${'+1'.repeat(1000)}`, 'it has more than 500 characters'],
    [`${'('.repeat(249)}1${')'.repeat(249)}x`, 'is not allowed'],
  ])('%s', (source, reason) => {
    const compile = () => compileSchedule('rate', source);
    expect(compile).toThrow(reason);
    expect(compile).toThrow(/^Expected rate to be a number or an expression of t \(/);
    expect(compile).toThrow('the functions exp, log, sqrt');
  });
});

test('an evaluation takes about a microsecond', () => {
  const schedule = compileSchedule('x', '0.2 * exp(-t / 2e5)');
  let sum = 0;
  const start = performance.now();
  for (let t = 0; t < 100_000; t++) sum += schedule.at(t);
  // 100,000 evaluations; the limit allows for a machine that is busy with other tests.
  expect(performance.now() - start).toBeLessThan(2000);
  expect(sum).toBeGreaterThan(0);
});
