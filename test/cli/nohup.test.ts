/** Traces of a process that was started to outlive its terminal. */
import { expect, test } from '@jest/globals';
import { isHangUpIgnored } from '../../lib/cli/nohup.js';

const ordinary = {
  '/proc/self/fdinfo/0': 'pos:\t0\nflags:\t02100002\nmnt_id:\t25\n',
  '/proc/7/status': 'Name:\tbash\nSigIgn:\t0000000000384004\nSigCgt:\t0000000000000001\n',
};

/** What is said of a process with these environment variables and files. */
const ignored = (files: Record<string, string>, env = {}) =>
  isHangUpIgnored({ env, ppid: 7, read: (path) => files[path] ?? '' });

test('a process of an ordinary shell, or of a system without /proc, ends with its terminal', () => {
  expect(ignored(ordinary, { _: '/usr/bin/node' })).toBe(false);
  expect(ignored({})).toBe(false);
  const nothing = { '/proc/self/fdinfo/0': '', '/proc/7/status': 'Name:\tx\n' };
  expect(ignored(nothing, { _: '' })).toBe(false);
  // A standard input from a file, and from a pipe.
  for (const flags of ['0100000', '00']) {
    expect(ignored({ ...ordinary, '/proc/self/fdinfo/0': `pos:\t0\nflags:\t${flags}\n` })).toBe(
      false,
    );
  }
});

test('nohup is known by its name, by what it makes of the input, and by a parent', () => {
  expect(ignored(ordinary, { _: '/usr/bin/nohup' })).toBe(true);
  expect(ignored({ ...ordinary, '/proc/self/fdinfo/0': 'pos:\t0\nflags:\t0100001\n' })).toBe(true);
  expect(ignored({ ...ordinary, '/proc/7/status': 'SigIgn:\t0000000000384005\n' })).toBe(true);
});
