/** Turns listed options into command-line flags, and flags and a config file into one set of options. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { RunError, describeValue, invalidValue, wordInvalidValue } from '../errors.js';
import type { InvalidValue } from '../errors.js';
import { unknownOption } from '../options.js';
import type { ListedOption } from '../options.js';

/** Add a flag for every option that has a group, under that group's heading. */
export function addFlags(command: Command, options: readonly ListedOption[]): void {
  for (const option of options) {
    if (option.group === undefined) continue;
    const flag = new Option(`--${flagName(option.key)}${placeholderOf(option)}`);
    flag.description = describe(option);
    command.addOption(flag.helpGroup(`${option.group}:`));
    if (option.kind !== 'flag') flag.argParser((text: string) => parseFlag(option, text));
    // A flag without a value is true where it stands; a config file may have it so already.
    else command.addOption(negated(option).helpGroup(`${option.group}:`));
  }
}

/** "--no-overlap" for "--overlap" */
function negated({ key, defaultValue }: ListedOption): Option {
  const name = flagName(key);
  const why = defaultValue === true ? '' : ', which a config file may turn on';
  return new Option(`--no-${name}`, `Turn --${name} off${why}.`);
}

/** "batchSize" is written "--batch-size", "adamBeta1" "--adam-beta1". */
export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Keys in a text become flags: only those of several words, as others may be no keys there. */
export function nameFlags(text: string, keys: readonly string[]): string {
  const known = new Set(keys);
  return text.replace(/(?<![\w.-])[a-z]+(?:[A-Z][a-z]*\d?)+(?![\w-])/g, (word) => {
    return known.has(word) ? `--${flagName(word)}` : word;
  });
}

/**
 * The message about a value that came from a flag of `command`: by the flag's name, and the value as
 * it was typed. Undefined if it came from elsewhere.
 */
export function describeFlagError(parts: InvalidValue, command: Command): string | undefined {
  const [, key = '', index, rest = ''] =
    /^(\w+)(?:\[(\d+)\])?((?: \(.*)?)$/s.exec(parts.name) ?? [];
  if (command.getOptionValueSource(key) !== 'cli') return undefined;
  const keys = command.options.map((option) => option.attributeName());
  const flag = `--${flagName(key)}`;
  const { expected, received, remedy } = parts;
  const name = index === undefined ? `${flag}${rest}` : `number ${Number(index) + 1} of ${flag}`;
  // Its type says nothing of a value that was typed.
  const shown = typeof received === 'number' ? String(received) : describeValue(received);
  const words = { ...parts, name, expected: nameFlags(expected, keys) };
  const next = remedy === undefined ? remedy : nameFlags(remedy, keys);
  return wordInvalidValue({ ...words, remedy: next }, shown);
}

function placeholderOf({ placeholder, kind }: ListedOption): string {
  return kind === 'flag' ? '' : ` ${placeholder ?? `<${kind}>`}`;
}

function describe({ description, defaultValue, choices, kind }: ListedOption): string {
  const parts = kind === 'flag' ? [] : [formatDefault(defaultValue)];
  if (kind === 'schedule') parts.push('expression');
  parts.push(...(choices ?? []).filter((value) => value !== defaultValue));
  const shown = parts.filter((part) => part !== '').join(' | ');
  return shown === '' ? description : `${description} [${shown}]`;
}

/** A default as a user would type it after the flag; empty if there is none. */
export function formatDefault(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value === 'number' && value > 0 && value < 1e-3) return value.toExponential();
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number);
}

/** The value that `text` stands for; what it should have been is checked with all the others. */
function parseFlag(option: ListedOption, text: string): unknown {
  const { key, kind } = option;
  if (kind === 'number') return toNumber(text);
  if (kind === 'numbers') return toNumbers(option, text);
  if (kind === 'schedule') return toNumber(text);
  if (kind === 'text') return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw invalidValue(
      `--${flagName(key)}`,
      'valid JSON',
      text,
      'Put it in single quotes: \'{"name": 1}\'',
    );
  }
}

/** A number if the text is one; otherwise the text, for the check to complain about. */
function toNumber(text: string): number | string {
  const number = Number(text);
  return text.trim() === '' || Number.isNaN(number) ? text : number;
}

function toNumbers({ key, defaultValue }: ListedOption, text: string): number[] {
  const numbers = text.split(',').map(toNumber);
  if (numbers.every((value) => typeof value === 'number')) return numbers;
  const example = formatDefault(defaultValue) || '1,2';
  const expected = `numbers with commas between them, such as ${example},`;
  throw invalidValue(`--${flagName(key)}`, expected, text);
}

/**
 * Read a config file: a JSON object with options by name.
 *
 * @throws RunError if it cannot be read or is no JSON, InvalidValueError if it is no object
 */
export async function readConfigFile(path: string): Promise<Record<string, unknown>> {
  return parseConfig(path, await readText(path));
}

/** Check that a config file has no keys but those `known`. */
export function checkKeys(path: string, config: object, known: readonly string[]): void {
  for (const key of Object.keys(config)) {
    if (!known.includes(key)) throw unknownOption(key, known, ` in ${path}`);
  }
}

async function readText(path: string): Promise<string> {
  try {
    // Unlike a Buffer's own decoding, this leaves out a byte order mark.
    return new TextDecoder().decode(await readFile(path));
  } catch (cause) {
    const { code, message: reason } = cause as NodeJS.ErrnoException;
    if (code === 'EISDIR') throw configFolder(path, cause);
    throw new RunError(`Cannot read the config file: ${reason}. Check the path after --config`, {
      cause,
    });
  }
}

/** The folder of a run is near enough to be what was meant. */
function configFolder(path: string, cause: unknown): RunError {
  const file = join(path, 'config.json');
  const remedy = existsSync(file) ? `Did you mean ${file}?` : 'Give a JSON file after --config';
  return new RunError(`Cannot read the config file: ${path} is a folder. ${remedy}`, { cause });
}

function parseConfig(path: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new RunError(`The config file ${path} is not valid JSON: ${reason}`, { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw invalidValue(path, 'a JSON object with options by name', value);
}
