/** Ctrl-C and termination by the system: the first request ends cleanly, the second at once. */

/** The exit code of an interrupted run, as shells use it for Ctrl-C. */
export const interruptedExitCode = 130;

const signals = ['SIGINT', 'SIGTERM'] as const;

/**
 * Run `task` with an AbortSignal that the first SIGINT or SIGTERM sets off.
 *
 * @param onStop called when that happens
 */
export async function withSignals<T>(
  task: (signal: AbortSignal) => Promise<T>,
  onStop: () => void = () => {},
): Promise<T> {
  const controller = new AbortController();
  const handle = (): void => {
    if (controller.signal.aborted) process.exit(interruptedExitCode);
    controller.abort();
    onStop();
  };
  for (const signal of signals) process.on(signal, handle);
  try {
    return await task(controller.signal);
  } finally {
    for (const signal of signals) process.off(signal, handle);
  }
}
