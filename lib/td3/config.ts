/** Every hyperparameter of the agent: type, default, meaning and the values it may take. */
import { z } from 'zod';
import { checkMaskShape } from '../device/mask-shape.js';
import { initialScales, maskRules, newMoments } from '../device/mlp.js';
import { maxCapacity, maxLayers, maxRows, maxWidth } from '../device/limits.js';
import { invalidValue, isFloat32 } from '../errors.js';
import { option, parseOptions, refineBy } from '../options.js';
import type { OptionGroup } from '../options.js';
import { mostSteps } from './n-step.js';
import { layerPatterns, leastInputs, parsePatterns, sparseLayers } from './pattern.js';
import { compileSchedule } from './schedule.js';
import type { Schedule, ScheduleRange } from './schedule.js';

/** The hyperparameters that may be expressions of the environment step, and their ranges. */
const scheduleRanges = {
  explorationNoise: { min: 0 },
  // Adam moves every weight by about so much at every update.
  learningRate: { min: 0, max: 1 },
  actorLearningRate: { min: 0, max: 1 },
  criticLearningRate: { min: 0, max: 1 },
  maskInterval: { min: 1, integer: true },
  dropFraction: { min: 0, max: 1 },
} as const satisfies Record<string, ScheduleRange>;

/** A hyperparameter that may be an expression of the environment step. */
export type ScheduleName = keyof typeof scheduleRanges;

function integer(
  group: OptionGroup,
  least: number,
  value: number,
  description: string,
  limit: (value: number, context: z.RefinementCtx) => void = () => {},
) {
  const schema = z.int().min(least).superRefine(limit).default(value);
  const expected = least === 1 ? 'a positive integer' : 'a non-negative integer';
  return option(schema, description, { group, expected, kind: 'number', placeholder: '<count>' });
}

/** What the native side counts in so many bits only, or what would take too long. */
function atMost(name: string, most: number) {
  return refineBy((value: number) => {
    if (value > most) throw invalidValue(name, `at most ${most}`, value);
  });
}

/** A number in the interval that `expected` puts into words. */
function number(value: number, schema: z.ZodNumber, expected: string, description: string) {
  return option(schema.default(value), description, { group: 'TD3', expected, kind: 'number' });
}

const scheduleInfo = {
  expected: 'a number or an expression of t',
  kind: 'schedule',
  placeholder: '<expr>',
} as const;

function scheduleSchema(name: ScheduleName) {
  return z
    .union([z.number(), z.string()])
    .superRefine(refineBy((v) => void compileSchedule(name, v, scheduleRanges[name])));
}

function schedule(group: OptionGroup, name: ScheduleName, value: number, description: string) {
  return option(scheduleSchema(name).default(value), description, { ...scheduleInfo, group });
}

/** A schedule that another one stands in for. */
function ownSchedule(group: OptionGroup, name: ScheduleName, description: string) {
  return option(scheduleSchema(name).optional(), description, { ...scheduleInfo, group });
}

function choice<const T extends readonly [string, ...string[]]>(
  group: OptionGroup,
  placeholder: string,
  values: T,
  description: string,
) {
  return option(
    z.enum(values).default(values[0]),
    description,
    choiceInfo(group, placeholder, values),
  );
}

/** What is known of an option with a few values, beside its schema. */
export function choiceInfo(group: OptionGroup, placeholder: string, choices: readonly string[]) {
  const names = choices.map((value) => `"${value}"`);
  const expected = names.length === 1 ? (names[0] ?? '') : `one of ${names.join(', ')}`;
  return { group, expected, kind: 'text', placeholder, choices } as const;
}

/** A pattern, or one a layer as text with commas or as an array. */
function pattern(name: string) {
  const list = z.array(z.string()).transform((items) => items.join(','));
  return z
    .union([z.string(), list])
    .superRefine(refineBy((value: string) => void parsePatterns(name, value)));
}

const patternInfo = {
  group: 'Sparsity',
  expected:
    '"dense" or a pattern N:M with 1 <= N <= M <= 32, or a list of them, one for each layer,',
  kind: 'text',
  placeholder: '<pattern>',
} as const;

const size = (description: string) =>
  option(z.int().min(1), description, { expected: 'a positive integer', kind: 'number' });

/** A number of at least 0 that the kernels, which compute in float32, can take. */
const single = z.number().min(0).refine(isFloat32);
const singleExpected = 'a number of at least 0 that float32 can hold';

/** Action limits: one number for all components, or one for each. */
const limits = (description: string) =>
  option(z.custom<number | ArrayLike<number>>(isLimit), description, {
    expected: 'a finite number or an array of actionSize finite numbers, within float32,',
    kind: 'numbers',
  });

function isLimit(value: unknown): boolean {
  if (typeof value === 'number') return isFloat32(value);
  const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
  return isList && Array.from(value as ArrayLike<unknown>).every(isFloat32);
}

/** What the task prescribes. The training loop fills these in from the environment. */
const spaces = {
  observationSize: size('Length of an observation.'),
  actionSize: size('Length of an action.'),
  actionLow: limits('Least value of each action component.'),
  actionHigh: limits('Greatest value of each action component.'),
};

const td3 = {
  hiddenSizes: option(
    z
      .array(z.int().min(1).max(maxWidth))
      .min(1)
      .superRefine(refineBy(checkDepth))
      .default(() => [256, 256]),
    'Widths of the hidden layers of actor and critics.',
    {
      group: 'TD3',
      expected: 'a list of positive integers, one per hidden layer',
      expectedItem: `an integer from 1 to ${maxWidth}`,
      kind: 'numbers',
      placeholder: '<widths>',
    },
  ),
  batchSize: integer('TD3', 1, 256, 'Transitions per update.', atMost('batchSize', maxRows)),
  gamma: number(0.99, z.number().min(0).max(1), 'a number from 0 to 1', 'Discount factor.'),
  nSteps: integer(
    'TD3',
    1,
    1,
    'Steps whose rewards are summed before the value of the next state.',
    atMost('nSteps', mostSteps),
  ),
  tau: number(
    0.005,
    z.number().min(0).max(1),
    'a number from 0 to 1',
    'Polyak step of targets towards the online networks.',
  ),
  policyDelay: integer('TD3', 1, 2, 'Critic updates per update of actor and targets.'),
  policyNoise: number(
    0.2,
    single,
    singleExpected,
    'Deviation of target policy smoothing noise, in half action ranges.',
  ),
  noiseClip: number(
    0.5,
    single,
    singleExpected,
    'Limit of target policy smoothing noise, in half action ranges.',
  ),
  explorationNoise: schedule(
    'TD3',
    'explorationNoise',
    0.1,
    'Deviation of exploration noise, in half action ranges.',
  ),
  learningRate: schedule('TD3', 'learningRate', 3e-4, "Adam's step size for actor and critics."),
  actorLearningRate: ownSchedule(
    'TD3',
    'actorLearningRate',
    "The actor's step size, if not learningRate.",
  ),
  criticLearningRate: ownSchedule(
    'TD3',
    'criticLearningRate',
    "The critics' step size, if not learningRate.",
  ),
  adamBeta1: number(
    0.9,
    z.number().min(0).lt(1),
    'a number from 0 to below 1',
    "Decay of Adam's mean gradient.",
  ),
  adamBeta2: number(
    0.999,
    z.number().min(0).lt(1),
    'a number from 0 to below 1',
    "Decay of Adam's mean squared gradient.",
  ),
  adamEpsilon: number(
    1e-8,
    z.number().refine((value) => isFloat32(value) && Math.fround(value) > 0),
    'a number above 0, also in float32,',
    "Added to the root in Adam's denominator.",
  ),
  bufferSize: integer(
    'TD3',
    1,
    1_000_000,
    'Transitions in the replay buffer; the oldest go first.',
    atMost('bufferSize', maxCapacity),
  ),
  learningStarts: integer(
    'TD3',
    0,
    10_000,
    'First steps, with random actions and without updates.',
  ),
  normalizeObservations: option(
    z.boolean().default(false),
    'Normalise observations by their running mean and deviation.',
    { group: 'TD3', expected: 'true or false', kind: 'flag' },
  ),
};

function checkDepth(widths: readonly number[]): void {
  // The output layer comes on top.
  const most = maxLayers - 1;
  if (widths.length > most) throw invalidValue('hiddenSizes', `at most ${most} widths`, widths);
}

const targetMasks = ['project', 'follow'] as const;

const sparsity = {
  sparsity: option(
    pattern('sparsity').default('1:4'),
    'Row-wise N:M pattern of all six networks, "dense", or a list, one for each layer.',
    patternInfo,
  ),
  actorSparsity: option(
    pattern('actorSparsity').optional(),
    'Pattern of actor and target, if not that of sparsity.',
    patternInfo,
  ),
  criticSparsity: option(
    pattern('criticSparsity').optional(),
    'Pattern of critics and targets, if not that of sparsity.',
    patternInfo,
  ),
  sparseLayers: choice(
    'Sparsity',
    '<layers>',
    sparseLayers,
    `Layers with the pattern; hidden: not first, last; by-inputs: first if ${leastInputs} inputs stay, not last.`,
  ),
  densityPower: option(
    z.number().min(0).max(2).default(0.5),
    'Weights of N:M layers learn at the rate times (M/N) to this power.',
    { group: 'Sparsity', expected: 'a number from 0 to 2', kind: 'number' },
  ),
  initialScale: choice(
    'Sparsity',
    '<scale>',
    initialScales,
    "Initial weights of N:M layers: as dense ones', or active ones with a dense row's variance.",
  ),
  maskShape: choice(
    'Sparsity',
    '<shape>',
    ['row', 'transposable'],
    'What is N:M: the rows of weights, or rows and columns (transposable; M = 4).',
  ),
  gradientRule: choice(
    'Sparsity',
    '<rule>',
    ['masked', 'ste', 'sr-ste'],
    'Weights that learn: the active, or all (ste), dormant ones decayed (sr-ste).',
  ),
  dataGradient: choice(
    'Sparsity',
    '<way>',
    ['dense', 'transposable', 'double-pruned'],
    "A GPU's data gradient; double-pruned is approximate.",
  ),
  weightGradient: choice(
    'Sparsity',
    '<way>',
    ['auto', 'dense', 'sampled'],
    "A GPU's weight gradient: as is faster (auto), dense, or of active weights alone.",
  ),
  sparse: choice(
    'Sparsity',
    '<when>',
    ['auto', 'always', 'never'],
    'When a GPU uses its sparse tensor cores: where measured to be faster (auto), or not.',
  ),
  srLambda: option(single.default(2e-4), 'Decay of dormant weights under sr-ste.', {
    group: 'Sparsity',
    expected: singleExpected,
    kind: 'number',
  }),
  maskInterval: schedule('Sparsity', 'maskInterval', 1000, 'Updates between mask updates.'),
  maskRule: choice(
    'Sparsity',
    '<rule>',
    maskRules,
    'What becomes active: the largest weights, or in swaps by the largest gradient or at random.',
  ),
  dropFraction: schedule(
    'Sparsity',
    'dropFraction',
    0.3,
    'Share of groups in which a mask update by gradient or at random swaps weights.',
  ),
  dormantDecay: option(
    z.number().min(0).max(1).default(1),
    'Factor of dormant weights at every mask update; 0: masks stand still.',
    { group: 'Sparsity', expected: 'a number from 0 to 1', kind: 'number' },
  ),
  newMoment: choice(
    'Sparsity',
    '<start>',
    newMoments,
    "Adam's second moment of newly active weights: zero, or their row's mean.",
  ),
  targetMask: option(
    z.enum(targetMasks).optional(),
    "Masks of targets: their own projection (magnitude's default), or the online ones (the others').",
    choiceInfo('Sparsity', '<source>', targetMasks),
  ),
};

const random = {
  seed: option(
    z
      .int()
      .min(0)
      .max(2 ** 32 - 1)
      .default(0),
    'Same seed, same machine: same run, bit for bit.',
    {
      group: 'Machine',
      expected: 'an integer from 0 to 4294967295',
      kind: 'number',
      placeholder: '<seed>',
    },
  ),
};

/** Where to compute. */
export const machineOptions = {
  device: choice(
    'Machine',
    '<device>',
    ['auto', 'cpu', 'cuda', 'cuda-emulated'],
    'Where the networks live; auto takes a GPU if it can be used.',
  ),
  precision: choice(
    'Machine',
    '<type>',
    ['fp32', 'tf32', 'bf16'],
    "Arithmetic of a GPU's matrix products.",
  ),
  threads: integer('Machine', 0, 0, 'Threads of the CPU backend; 0 takes all cores.'),
};

const hyperparameters = { ...td3, ...sparsity, ...random, ...machineOptions };

/** The agent's options. Keys that it does not know are errors. */
export const agentConfigSchema = z.strictObject({ ...spaces, ...hyperparameters });

/** The agent's options without those that the task prescribes: what a user chooses. */
export const hyperparameterSchema = z.strictObject(hyperparameters);

/** Options of an agent: `observationSize`, `actionSize`, `actionLow`, `actionHigh`, and any others. */
export type Td3Options = z.input<typeof agentConfigSchema>;

/** Hyperparameters as a user gives them; every one is optional. */
export type HyperparameterOptions = z.input<typeof hyperparameterSchema>;

/**
 * Every option with its value. A value that follows other options (see `derivedDefaults`) because nobody chose
 * it is there to read, but no copy has it, neither `{ ...config }` nor one in JSON: whoever changes the option
 * that it follows gets the value that follows then. What a copy has was chosen, or is a plain default.
 */
export type Td3Config = Omit<
  z.output<typeof agentConfigSchema>,
  'actionLow' | 'actionHigh' | DerivedOption
> & {
  /** Least value of each action component, length `actionSize`. */
  actionLow: number[];
  /** Greatest value of each action component, length `actionSize`. */
  actionHigh: number[];
  /** Pattern of the actor and its target, or one for each layer with commas between them. */
  actorSparsity: string;
  /** The same of the critics and their targets. */
  criticSparsity: string;
  actorLearningRate: number | string;
  criticLearningRate: number | string;
  targetMask: (typeof targetMasks)[number];
};

type MaskOptions = Pick<
  z.output<typeof hyperparameterSchema>,
  | 'maskShape'
  | 'maskRule'
  | 'targetMask'
  | 'dataGradient'
  | 'sparsity'
  | 'actorSparsity'
  | 'criticSparsity'
  | 'sparseLayers'
  | 'hiddenSizes'
>;

/**
 * Check that lists of patterns have one for each layer, that the masks of actor and critics can have the shape
 * that they shall have and that it is the one that the data gradient asks for, and that targets follow where
 * weights are swapped.
 *
 * @throws InvalidValueError that names the option with the pattern
 */
export function checkMasks(options: MaskOptions): void {
  // Only the number of layers counts here: the task, which knows the sizes, may not be there yet.
  const sizes = [Infinity, ...options.hiddenSizes, 1];
  for (const own of ['actorSparsity', 'criticSparsity'] as const) {
    const name = options[own] === undefined ? 'sparsity' : own;
    const patterns = layerPatterns(name, options[name] ?? 'dense', sizes, options.sparseLayers);
    for (const pattern of patterns) checkMaskShape(options.maskShape, name, pattern);
  }
  if (options.maskRule !== 'magnitude' && options.targetMask === 'project') {
    const expected = `"follow" under maskRule "${options.maskRule}"`;
    throw invalidValue('targetMask', expected, options.targetMask, 'Or leave it out');
  }
  if (options.dataGradient === 'transposable' && options.maskShape !== 'transposable') {
    const expected = '"dense" or "double-pruned" under maskShape "row"';
    const remedy = 'Or take maskShape "transposable": its masks are N:M in the transpose too';
    throw invalidValue('dataGradient', expected, options.dataGradient, remedy);
  }
}

/**
 * Check an agent's options and fill in the defaults.
 *
 * @throws InvalidValueError that names the option, what it may be, and what it was
 */
export function resolveConfig(options: Td3Options): Td3Config {
  const parsed = parseOptions(agentConfigSchema, options);
  checkMasks(parsed);
  checkInputs(parsed);
  const actionLow = spread('actionLow', parsed.actionLow, parsed.actionSize);
  const actionHigh = spread('actionHigh', parsed.actionHigh, parsed.actionSize);
  actionLow.forEach((low, i) => checkActionRange(i, low, actionHigh[i] ?? NaN));
  return withDerived({ ...parsed, actionLow, actionHigh });
}

/** Give options that nobody chose the values that follow, as properties that copies leave out. */
function withDerived(
  chosen: Omit<Td3Config, DerivedOption> & { [K in DerivedOption]?: Td3Config[K] | undefined },
): Td3Config {
  const config = chosen as Td3Config;
  const derived = Object.entries(derivedDefaults(chosen)) as [DerivedOption, unknown][];
  for (const [key, value] of derived) {
    if (config[key] === undefined) Object.defineProperty(config, key, { value, enumerable: false });
  }
  return config;
}

/** The values of options that follow others unless they are given. */
export function derivedDefaults<
  T extends { sparsity?: unknown; learningRate?: unknown; maskRule?: unknown },
>({ sparsity, learningRate, maskRule }: T) {
  return {
    actorSparsity: sparsity as T['sparsity'],
    criticSparsity: sparsity as T['sparsity'],
    actorLearningRate: learningRate as T['learningRate'],
    criticLearningRate: learningRate as T['learningRate'],
    // Weights that swap have no place in targets of their own.
    targetMask: maskRule === 'magnitude' ? ('project' as const) : ('follow' as const),
  };
}

type DerivedOption = keyof ReturnType<typeof derivedDefaults>;

/** The critics take observation and action side by side. */
function checkInputs(sizes: { observationSize: number; actionSize: number }): void {
  const { observationSize, actionSize } = sizes;
  const most = maxWidth - actionSize;
  if (observationSize <= most) return;
  if (most < 1) throw invalidValue('actionSize', `below ${maxWidth}`, actionSize);
  throw invalidValue(
    'observationSize',
    `at most ${most} with ${actionSize} actions`,
    observationSize,
  );
}

/** Networks compute in float32: the range must be neither empty nor infinite there. */
function checkActionRange(i: number, low: number, high: number): void {
  const width = Math.fround(Math.fround(high) - Math.fround(low));
  if (width > 0 && width < Infinity) return;
  const relation = high > low ? 'at a distance in float32 from' : 'greater than';
  throw invalidValue(`actionHigh[${i}]`, `${relation} actionLow[${i}] (${low})`, high);
}

/** Compile the hyperparameters that may be expressions of the environment step. */
export function compileSchedules(
  config: Readonly<Partial<Record<ScheduleName, number | string | undefined>>>,
): Record<ScheduleName, Schedule> {
  const compile = (name: ScheduleName, value = config[name]) =>
    compileSchedule(name, value ?? NaN, scheduleRanges[name]);
  return {
    explorationNoise: compile('explorationNoise'),
    learningRate: compile('learningRate'),
    actorLearningRate: compile(
      'actorLearningRate',
      config.actorLearningRate ?? config.learningRate,
    ),
    criticLearningRate: compile(
      'criticLearningRate',
      config.criticLearningRate ?? config.learningRate,
    ),
    maskInterval: compile('maskInterval'),
    dropFraction: compile('dropFraction'),
  };
}

function spread(name: string, value: number | ArrayLike<number>, length: number): number[] {
  if (typeof value === 'number') return Array.from({ length }, () => value);
  if (value.length === length) return Array.from(value);
  throw invalidValue(name, `a number or an array of length ${length} (actionSize)`, value);
}
