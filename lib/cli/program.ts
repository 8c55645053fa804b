/** The command line: finds the command, runs it, words its errors, returns the exit code. */
import { inspect } from 'node:util';
import { CommanderError } from 'commander';
import type { Command } from 'commander';
import { InvalidValueError } from '../errors.js';
import { packageVersion } from '../train/package-version.js';
import { CliCommand } from './command.js';
import { describeFlagError } from './flags.js';
import { interruptedExitCode } from './signals.js';
import { describeFault, paint, print } from './terminal.js';
import type { Terminal } from './terminal.js';

/** Adds arguments, options and the action to a command; the action's result is the exit code. */
export type DefineCommand = (command: Command, context: CommandContext) => void;

/** What an action gets besides its own options. */
export interface CommandContext {
  terminal: Terminal;
  /** Ends the command line with this exit code. */
  exit: (code: number) => void;
}

interface CommandModule {
  define: DefineCommand;
}

/** Commands are loaded when they are called, so that --help and --version answer at once. */
const commands: Record<string, { summary: string; load: () => Promise<CommandModule> }> = {
  train: {
    summary: 'train an agent on a task and write a run folder',
    load: () => import('./train.js'),
  },
  eval: {
    summary: 'run a trained policy without noise and report its returns',
    load: () => import('./eval.js'),
  },
  export: {
    summary: "write a run's policy as safetensors or ONNX",
    load: () => import('./export.js'),
  },
  verify: {
    summary: 'check TD3 updates on this machine against stored PyTorch states',
    load: () => import('./verify.js'),
  },
  bench: {
    summary: 'measure kernels, updates and what sparsity gains on this machine',
    load: () => import('./bench.js'),
  },
  info: {
    summary: 'show versions, processor, devices and tasks',
    load: () => import('./info.js'),
  },
};

const examples = `
Examples:
  $ rnm-td3 train HalfCheetah-v5 --sparsity 1:4 --steps 100000
  $ rnm-td3 eval runs/<run>
  $ rnm-td3 help train`;

/**
 * Run the command line.
 *
 * @param args the arguments after the program's name
 * @returns the exit code: 0, 1 for an error, 130 when interrupted
 */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  let code = 0;
  let running: Command | undefined;
  const program = buildProgram({ terminal, exit: (value) => (code = value) });
  program.hook('preAction', (_, command) => void (running = command));
  try {
    await program.parseAsync(normalize(args), { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof Error && error.name === 'AbortError') return interruptedExitCode;
    reportError(error, terminal, { debug: program.opts()['debug'] === true, running });
    return 1;
  }
}

/**
 * Help on a command loads the command, which has to be one; no command at all asks for help and is
 * no error.
 */
function normalize(args: readonly string[]): string[] {
  const [first, ...rest] = args;
  if (first === undefined) return ['--help'];
  const [topic] = rest;
  if (first !== 'help' || topic === undefined) return [...args];
  return Object.hasOwn(commands, topic) ? [...rest, '--help'] : rest;
}

function buildProgram(context: CommandContext): Command {
  const program = new CliCommand('rnm-td3');
  configureOutput(program, context.terminal);
  program
    .description('Train TD3 agents whose networks are row-wise N:M sparse from the first step on.')
    .version(packageVersion, '-V, --version', 'Show the version.')
    .helpOption('-h, --help', 'Show this help.')
    .helpCommand('help [command]', 'Show the help of a command.')
    .option('--debug', 'Show where an error comes from.')
    .addHelpText('after', examples)
    .hook('preSubcommand', async (_, command) => {
      const module = await commands[command.name()]?.load();
      module?.define(command, context);
    });
  for (const [name, { summary }] of Object.entries(commands)) {
    program.command(name).summary(summary).description(sentence(summary));
  }
  return listAfterError(program, 'Commands');
}

function configureOutput(program: Command, { stdout, stderr }: Terminal): void {
  program
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error:/, paint(stderr, 'red', 'error:'))),
      getOutHelpWidth: () => helpWidth(stdout.columns),
      getErrHelpWidth: () => helpWidth(stderr.columns),
      getOutHasColors: () => paint(stdout, 'bold', '') !== '',
      getErrHasColors: () => paint(stderr, 'bold', '') !== '',
    })
    .configureHelp({
      styleTitle: (text) => paint(stdout, 'bold', text),
      optionTerm: (option) => option.flags,
    })
    .showHelpAfterError('(--help lists what there is)');
}

/** After an error, name the commands that `parent` has; they keep their own words. */
export function listAfterError(parent: Command, what: string): Command {
  const names = parent.commands.map((command) => command.name()).join(', ');
  return parent.showHelpAfterError(`(${what} are ${names}; --help says more)`);
}

/** Wide enough to read, narrow enough to scan. */
function helpWidth(columns = 100): number {
  return Math.min(columns, 110);
}

interface ReportOptions {
  debug: boolean;
  /** The command whose action it comes from. */
  running: Command | undefined;
}

function reportError(error: unknown, { stderr }: Terminal, options: ReportOptions): void {
  const { debug, running } = options;
  if (!(error instanceof Error)) return print(stderr, describeFault(stderr, String(error)));
  const expected = error.name === 'InvalidValueError' || error.name === 'RunError';
  print(stderr, describeFault(stderr, messageOf(error, running)));
  if (debug || !expected) print(stderr, paint(stderr, 'dim', stackOf(error)));
  if (!expected) {
    print(stderr, 'This should not have happened. Please report it, with the lines above and');
    print(stderr, `what "rnm-td3 info" prints, to the issue tracker of rnm-td3.`);
  }
}

function messageOf(error: Error, running: Command | undefined): string {
  const parts = error instanceof InvalidValueError ? error.parts : undefined;
  if (parts === undefined || running === undefined) return error.message;
  return describeFlagError(parts, running) ?? error.message;
}

/** The stack without its first line, which repeats the message, and the causes. */
function stackOf(error: Error): string {
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const { cause } = error;
  if (cause === undefined) return frames.join('\n');
  const text = cause instanceof Error ? `${cause.message}\n${stackOf(cause)}` : inspect(cause);
  return `${frames.join('\n')}\ncaused by: ${text}`;
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}
