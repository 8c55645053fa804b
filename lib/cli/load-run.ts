/** Opens what `rnm-td3 train` wrote. */
import { existsSync } from 'node:fs';
import { Td3Agent } from '../td3/agent.js';
import type { Td3Options } from '../td3/config.js';
import { RunFolder } from '../train/index.js';
import type { TrainResult } from '../train/index.js';
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
  /** Mean return of the run's last evaluation. */
  evaluationReturn: number | undefined;
}

/**
 * Make the agent of a run again.
 *
 * @param path the run folder
 * @param machine where to compute
 * @throws RunError when there is no run or no whole checkpoint in it
 */
export function loadRun(
  path: string,
  machine: Pick<Td3Options, 'device' | 'threads'>,
  terminal: Terminal,
): LoadedRun {
  const folder = RunFolder.open(path);
  const { checkpoint, notice } = folder.readCheckpoint();
  const note = (text: string) => print(terminal.stderr, paint(terminal.stderr, 'dim', text));
  if (notice !== undefined) note(notice);
  const { env, envOptions } = folder.readConfig();
  const agent = new Td3Agent({ ...(checkpoint.config as Td3Options), ...machine });
  agent.loadState(checkpoint.state);
  return {
    folder,
    agent,
    env: String(env),
    envOptions: (envOptions ?? {}) as Record<string, unknown>,
    steps: checkpoint.steps,
    evaluationReturn: lastEvaluation(folder, note),
  };
}

/**
 * A run that was cut off has no summary; one that was stopped early may have no evaluation; and a
 * damaged summary is no reason not to use the agent.
 */
function lastEvaluation(folder: RunFolder, note: (text: string) => void): number | undefined {
  if (!existsSync(folder.summaryPath)) return undefined;
  try {
    const { finalEvaluation } = folder.readSummary() as Partial<TrainResult>;
    return finalEvaluation?.mean;
  } catch (error) {
    note(`${(error as Error).message}. The return of the last evaluation is not known`);
    return undefined;
  }
}
