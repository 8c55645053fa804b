/**
 * Options with a default, a meaning and one wording for errors.
 *
 * An option is a zod schema registered here with what zod does not keep: the words that say what is
 * expected, the group it is listed under, and how its value is written on the command line. Flags,
 * config files, help texts and the table in docs/hyperparameters.md all come from these.
 */
import { z } from 'zod';
import { InvalidValueError, invalidValue, unknownOption } from './errors.js';

export { unknownOption } from './errors.js';

/** The headings that options are listed under. */
export type OptionGroup =
  'Training' | 'Evaluation' | 'Export' | 'TD3' | 'Sparsity' | 'Machine' | 'Benchmark';

/** What is known of an option besides its zod schema. */
export interface OptionInfo {
  /** Completes "Expected X to be ...". */
  expected: string;
  /** The same for one element, where the value is a list. */
  expectedItem?: string;
  /** Heading in help texts; options without one are no flags. */
  group?: OptionGroup;
  /** How text becomes the value: a number, numbers with commas, JSON, or text as it is. */
  kind: 'number' | 'numbers' | 'schedule' | 'text' | 'json' | 'flag';
  /** What stands for the value in help texts, e.g. "<rate>"; default: "<" + kind + ">". */
  placeholder?: string;
  /** All values, where there are only a few. */
  choices?: readonly string[];
}

const registry = z.registry<OptionInfo>();

/** Attach what is known of an option to its schema. */
export function option<T extends z.ZodType>(schema: T, description: string, info: OptionInfo): T {
  const described = schema.describe(description);
  registry.add(described, info);
  return described;
}

/** One option of a schema, as command line and documentation need it. */
export interface ListedOption extends OptionInfo {
  /** The key, in camel case. */
  key: string;
  /** One line on what it means. */
  description: string;
  /** The value when none is given; undefined if there is no default. */
  defaultValue: unknown;
}

/** All options of a schema, in the order of its keys. */
export function listOptions(schema: z.ZodObject): ListedOption[] {
  return Object.entries(schema.shape).map(([key, field]) => ({
    ...infoOf(field as z.ZodType),
    key,
    description: (field as z.ZodType).description ?? '',
    defaultValue: field instanceof z.ZodDefault ? field.def.defaultValue : undefined,
  }));
}

function infoOf(field: z.ZodType): OptionInfo {
  const info = registry.get(field);
  if (info === undefined) throw new Error('an option was not made by option()');
  return info;
}

/**
 * Check `input` against `schema` and fill in defaults.
 *
 * @throws InvalidValueError for the first thing wrong, unknown keys before wrong values
 */
export function parseOptions<T extends z.ZodObject>(schema: T, input: unknown): z.output<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw toInvalidValue(schema, input, result.error.issues);
}

function toInvalidValue(
  schema: z.ZodObject,
  input: unknown,
  issues: readonly z.core.$ZodIssue[],
): InvalidValueError {
  const unknown = issues.find((issue) => issue.code === 'unrecognized_keys');
  if (unknown !== undefined) return unknownOption(unknown.keys[0] ?? '', Object.keys(schema.shape));
  const issue = issues[0];
  if (issue === undefined || issue.path.length === 0) {
    return invalidValue('the options', 'an object', input);
  }
  if (issue.code === 'custom' && issue.params?.['error'] instanceof InvalidValueError) {
    return issue.params['error'];
  }
  const [key, index] = issue.path;
  const info = infoOf(schema.shape[String(key)] as z.ZodType);
  const value = (input as Record<PropertyKey, unknown>)[key as PropertyKey];
  if (index === undefined) return invalidValue(String(key), info.expected, value);
  const name = `${String(key)}[${String(index)}]`;
  const item = (value as Record<PropertyKey, unknown>)[index as PropertyKey];
  return invalidValue(name, info.expectedItem ?? info.expected, item);
}

/**
 * A zod check that runs a function which throws an InvalidValueError for a bad value, so that
 * parseOptions passes on that very error.
 */
export function refineBy<T>(check: (value: T) => void) {
  return (value: T, context: z.RefinementCtx): void => {
    try {
      check(value);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      context.addIssue({ code: 'custom', message: error.message, params: { error } });
    }
  };
}
