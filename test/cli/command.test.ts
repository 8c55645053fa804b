/** Values of flags that need none. */
import { describe, expect, test } from '@jest/globals';
import { InvalidValueError } from '../../lib/errors.js';
import { CliCommand } from '../../lib/cli/command.js';

function parse(...args: string[]): { rest: string[]; options: object } {
  const program = new CliCommand('program');
  const command = program
    .command('go')
    .argument('[rest...]')
    .option('--json')
    .option('--overlap')
    .option('--no-overlap')
    .option('--out <folder>')
    .action(() => {});
  program.parse(['go', ...args], { from: 'user' });
  return { rest: command.args, options: command.opts() };
}

describe('a flag without a value', () => {
  test.each<[string[], object]>([
    [[], {}],
    [['--overlap'], { overlap: true }],
    [['--overlap=true'], { overlap: true }],
    [['--overlap=false'], { overlap: false }],
    [['--no-overlap'], { overlap: false }],
    [['--overlap', '--overlap=false'], { overlap: false }],
    [['--json=false'], {}],
    [['--json=true'], { json: true }],
    [['--out=false'], { out: 'false' }],
  ])('%j gives %j', (args, expected) => {
    expect(parse(...args)).toEqual({ rest: [], options: expected });
  });

  test('what follows "--" is no flag', () => {
    expect(parse('--', '--overlap=x')).toEqual({ rest: ['--overlap=x'], options: {} });
  });

  test.each(['maybe', '', '1'])('the value %j is refused', (value) => {
    expect(() => parse(`--overlap=${value}`)).toThrow(InvalidValueError);
    expect(() => parse(`--overlap=${value}`)).toThrow(
      `Expected --overlap to be true or false, or to stand alone, but received "${value}"`,
    );
  });
});
