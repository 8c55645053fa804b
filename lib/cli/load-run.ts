/** Opens what `rnm-td3 train` wrote. */
import { Td3Agent } from '../td3/agent.js';
import type { Td3Options } from '../td3/config.js';
import { RunFolder } from '../train/index.js';
import type { MachineFlags } from './machine-flags.js';
import { paint, print } from './terminal.js';
import type { Terminal } from './terminal.js';

/** A run with its agent as the newest checkpoint has it. */
export interface LoadedRun {
  folder: RunFolder;
  agent: Td3Agent;
  /** Name of the task. */
  env: string;
  envOptions: Record<string, unknown>;
  /** Environment steps the agent was trained for. */
  steps: number;
}

/**
 * Make the agent of a run again.
 *
 * @param path the run folder
 * @param flags where to compute, if not where the run did
 * @throws RunError when there is no run or no whole checkpoint in it
 */
export function loadRun(path: string, flags: MachineFlags, terminal: Terminal): LoadedRun {
  const folder = RunFolder.open(path);
  const { checkpoint, notice } = folder.readCheckpoint();
  if (notice !== undefined) print(terminal.stderr, paint(terminal.stderr, 'dim', notice));
  const { env, envOptions } = folder.readConfig();
  const agent = new Td3Agent({ ...(checkpoint.config as Td3Options), ...flags });
  agent.loadState(checkpoint.state);
  return {
    folder,
    agent,
    env: String(env),
    envOptions: (envOptions ?? {}) as Record<string, unknown>,
    steps: checkpoint.steps,
  };
}
