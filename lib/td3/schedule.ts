/**
 * Hyperparameters that change during training: numbers, or expressions of the step `t` such as
 * "0.2 * exp(-t / 2e5)".
 *
 * Expressions are parsed by mathjs and compiled once. mathjs can also define functions, build
 * matrices and reach object properties; none of that belongs in a schedule, so the parsed tree is
 * checked against a list of what may occur before anything is evaluated.
 */
import { createRequire } from 'node:module';
import type {
  ConstantNode,
  FunctionNode,
  MathJsInstance,
  MathNode,
  OperatorNode,
  SymbolNode,
} from 'mathjs';
import { invalidValue } from '../errors.js';

/** A hyperparameter as a function of the environment step. */
export interface Schedule {
  /** The value at step `t`. Throws an InvalidValueError if it lies outside the allowed range. */
  at(t: number): number;
  /** What the user wrote. */
  readonly source: number | string;
  /** True if the value is the same at every step. */
  readonly constant: boolean;
}

/** The values that a schedule may take; both ends belong to the range. */
export interface ScheduleRange {
  /** Least value. Default: -Infinity. */
  min?: number;
  /** Greatest value. Default: Infinity. */
  max?: number;
  /** Round what an expression gives to the nearest integer; a plain number has to be one. */
  integer?: boolean;
}

const symbols = new Set(['t', 'pi', 'e']);
const operators = new Set(['+', '-', '*', '/', '^', '<', '<=', '>', '>=', '==', '!=']);
const functions = new Set(
  'exp log sqrt min max abs pow floor ceil round cos sin tanh sign'.split(' '),
);
const maxLength = 500;
const remedy =
  'An expression may use t (the step), pi, e, numbers, parentheses, condition ? a : b, the ' +
  `operators ${[...operators].join(' ')} and the functions ${[...functions].join(', ')}, ` +
  'for example "0.2 * exp(-t / 2e5)"';

/**
 * Compile a number or an expression of `t`.
 *
 * @param name the hyperparameter's name, for error messages
 * @param value a number, a string that holds one ("3e-4"), or an expression ("3e-4 * 0.99^(t/1e4)")
 * @param range the values allowed; checked at once for a number, at every step for an expression
 * @throws InvalidValueError for a value out of range, or an expression that is not understood
 */
export function compileSchedule(
  name: string,
  value: number | string,
  range: ScheduleRange = {},
): Schedule {
  const number = asNumber(value);
  if (number === undefined) return compileExpression(name, value as string, range);
  if (isInside(number, range) && (range.integer !== true || Number.isInteger(number))) {
    return { at: () => number, source: number, constant: true };
  }
  throw invalidValue(name, `${describeRange(range)}, or an expression of t`, value);
}

/** The number that `value` is or holds; undefined for an expression, NaN for what is neither. */
function asNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return NaN;
  const number = value.trim() === '' ? NaN : Number(value);
  return Number.isNaN(number) ? undefined : number;
}

function compileExpression(name: string, source: string, range: ScheduleRange): Schedule {
  const evaluate = compileSource(name, source);
  const at = (t: number): number => {
    const result = evaluate(t);
    const value =
      range.integer === true && typeof result === 'number' ? Math.round(result) : result;
    if (typeof value === 'number' && isInside(value, range)) return value;
    const where = `${name} ("${source}") at t = ${t}`;
    throw invalidValue(where, describeRange({ ...range, integer: false }), result);
  };
  return { at, source, constant: false };
}

/** Parse, check and compile `source`; what comes back gives a number or a boolean for a step. */
function compileSource(name: string, source: string): (t: number) => unknown {
  const wrong = (reason: string, cause?: unknown) => {
    const error = invalidValue(name, `a number or an expression of t (${reason})`, source, remedy);
    if (cause !== undefined) error.cause = cause;
    return error;
  };
  if (source.trim() === '') throw wrong('it is empty');
  if (source.length > maxLength) throw wrong(`it has more than ${maxLength} characters`);
  const scope = new Map<string, number>();
  try {
    const tree = loadMathjs().parse(source);
    const problem = findForbidden(tree);
    if (problem !== undefined) throw wrong(`${problem} is not allowed`);
    const code = tree.compile();
    const evaluate = (t: number): unknown => code.evaluate(scope.set('t', t)) as unknown;
    // One trial finds what only shows in use: wrong numbers of arguments, a condition as the result.
    if (typeof evaluate(0) !== 'number') throw wrong('its result is not a number');
    return evaluate;
  } catch (error) {
    if (error instanceof Error && error.name === 'InvalidValueError') throw error;
    throw wrong(error instanceof Error ? error.message : String(error), error);
  }
}

/** Name the first part of the tree that is not on the lists above, or undefined if there is none. */
function findForbidden(node: MathNode): string | undefined {
  const own = describeForbidden(node);
  if (own !== undefined) return own;
  const children: MathNode[] = [];
  // A function's name is a node as well; describeForbidden has already judged it.
  if (node.type === 'FunctionNode') children.push(...(node as FunctionNode).args);
  else node.forEach((child) => children.push(child));
  for (const child of children) {
    const problem = findForbidden(child);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function describeForbidden(node: MathNode): string | undefined {
  switch (node.type) {
    case 'ParenthesisNode':
    case 'ConditionalNode':
      return undefined;
    case 'ConstantNode': {
      const constant: unknown = (node as ConstantNode).value;
      return typeof constant === 'number' ? undefined : `the constant ${node.toString()}`;
    }
    case 'SymbolNode': {
      const symbol = (node as SymbolNode).name;
      return symbols.has(symbol) ? undefined : `the name ${symbol}`;
    }
    case 'OperatorNode': {
      const operator: string = (node as OperatorNode).op;
      return operators.has(operator) ? undefined : `the operator ${operator}`;
    }
    case 'FunctionNode': {
      const callee: MathNode = (node as FunctionNode).fn;
      const known = callee.type === 'SymbolNode' && functions.has((callee as SymbolNode).name);
      return known ? undefined : `the function ${callee.toString()}`;
    }
    default:
      return `"${node.toString()}"`;
  }
}

function isInside(value: number, { min = -Infinity, max = Infinity }: ScheduleRange): boolean {
  return Number.isFinite(value) && value >= min && value <= max;
}

function describeRange({ min = -Infinity, max = Infinity, integer }: ScheduleRange): string {
  const kind = integer === true ? 'an integer' : 'a finite number';
  if (min > -Infinity && max < Infinity) return `${kind} from ${min} to ${max}`;
  if (min > -Infinity) return `${kind} of at least ${min}`;
  return max < Infinity ? `${kind} of at most ${max}` : kind;
}

let mathjs: MathJsInstance | undefined;

/** Load mathjs when the first expression comes: its import takes a third of a second and more. */
function loadMathjs(): MathJsInstance {
  // The build for plain numbers loads in a fifth of the time of the one with units and matrices.
  mathjs ??= createRequire(import.meta.url)('mathjs/number') as MathJsInstance;
  return mathjs;
}
