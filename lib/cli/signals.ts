/**
 * What ends a command from outside: Ctrl-C, termination by the system, a terminal that is closed,
 * an output that nobody reads any more. The first request ends cleanly, a later Ctrl-C at once.
 */
import { isHangUpIgnored } from './nohup.js';
import { describeFault, print } from './terminal.js';

/** The exit code of an interrupted run, as shells use it for Ctrl-C. */
export const interruptedExitCode = 130;

/** The exit code of a command whose output nobody reads, as shells use it for SIGPIPE. */
const unreadExitCode = 141;

/** A closed terminal sends SIGHUP more than once, so that a second one says nothing new. */
const signals = { SIGINT: true, SIGTERM: true, SIGHUP: false } as const;

/**
 * Milliseconds for which a second signal is taken for an echo of the first: fingers that hit Ctrl-C twice, a shell
 * and a supervisor that both pass it on.
 */
const echoTime = 250;

/** Ends the task that is running cleanly; there is none while this is undefined. */
let stopTask: (() => void) | undefined;

/**
 * Run `task` with an AbortSignal that the first SIGINT, SIGTERM or SIGHUP sets off, or an output
 * that fails (see `watchOutputs`).
 *
 * @param onStop called when that happens
 */
export async function withSignals<T>(
  task: (signal: AbortSignal) => Promise<T>,
  onStop: () => void = () => {},
): Promise<T> {
  const controller = new AbortController();
  let isLater = false;
  const stop = (): void => {
    if (controller.signal.aborted) return;
    controller.abort();
    // A signal that came while the process was busy is told of after timers, but before immediates.
    setTimeout(() => setImmediate(() => (isLater = true)), echoTime).unref();
    onStop();
  };
  const respected = Object.entries(signals).filter(
    ([name]) => name !== 'SIGHUP' || !isHangUpIgnored(),
  );
  const handlers = respected.map(([name, insists]) => {
    const handle = (): void => {
      if (insists && isLater) process.exit(interruptedExitCode);
      stop();
    };
    return [name, handle] as const;
  });
  for (const [name, handle] of handlers) process.on(name, handle);
  stopTask = stop;
  try {
    return await task(controller.signal);
  } finally {
    for (const [name, handle] of handlers) process.off(name, handle);
    stopTask = undefined;
  }
}

/**
 * Once standard output or standard error takes no more, end the task that is running as Ctrl-C
 * does, and any other command at once. A reader that has gone (`| head -1`) is no error to tell of.
 */
export function watchOutputs({ stdout, stderr }: Pick<NodeJS.Process, 'stdout' | 'stderr'>): void {
  let failed = false;
  const handle = (error: NodeJS.ErrnoException): void => {
    // Whatever is written from now on fails again.
    if (failed) return;
    failed = true;
    // EIO comes from a terminal that is gone.
    const unread = error.code === 'EPIPE' || error.code === 'EIO';
    if (!unread) print(stderr, describeFault(stderr, `Cannot write the output: ${error.message}`));
    if (stopTask === undefined) process.exit(unread ? unreadExitCode : 1);
    stopTask();
  };
  for (const output of [stdout, stderr]) output.on('error', handle);
}

/** Let a command that was started under `nohup` outlive its terminal: Node has forgotten it. */
export function respectNohup(): void {
  if (isHangUpIgnored()) process.on('SIGHUP', () => {});
}
