/** The commands of the command line: commander's, which also take a value for flags that need none. */
import { Command } from 'commander';
import { invalidValue } from '../errors.js';

/** A command for which "--overlap=true" is "--overlap", and "--overlap=false" is "--no-overlap". */
export class CliCommand extends Command {
  /** Commands of this command are of the same kind. */
  override createCommand(name?: string): CliCommand {
    return new CliCommand(name);
  }

  override parseOptions(args: string[]): ReturnType<Command['parseOptions']> {
    const end = args.indexOf('--');
    const flags = end < 0 ? args : args.slice(0, end);
    const rest = args.slice(flags.length);
    return super.parseOptions([...flags.flatMap((arg) => this.#spellOut(arg)), ...rest]);
  }

  /** @throws InvalidValueError for a value that is neither true nor false */
  #spellOut(arg: string): string[] {
    const [, name, value] = /^--([^=]+)=(.*)$/s.exec(arg) ?? [];
    const flag = this.options.find(({ long }) => long === `--${name}`);
    if (flag?.isBoolean() !== true) return [arg];
    if (value === 'true') return [`--${name}`];
    if (value !== 'false')
      throw invalidValue(`--${name}`, 'true or false, or to stand alone,', value);
    const negated = `--no-${name}`;
    // Without that flag there is nothing that could have switched it on.
    return this.options.some(({ long }) => long === negated) ? [negated] : [];
  }
}
