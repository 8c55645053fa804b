/** Opens what `rnm-td3 train` wrote. */
import { existsSync } from 'node:fs';
import { Td3Agent } from '../td3/agent.js';
import type { Td3Options } from '../td3/config.js';
import { RunError } from '../errors.js';
import { RunFolder, readCheckpointFile } from '../train/index.js';
import type { Checkpoint, EvaluationRecord, TrainResult } from '../train/index.js';
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
  /** The evaluation that this policy had, if it had one. */
  evaluation: EvaluationRecord | undefined;
}

/**
 * Make the agent of a run again.
 *
 * @param path the run folder
 * @param machine where to compute
 * @param options.best the agent of the best evaluation instead of the newest checkpoint's. Default: false
 * @throws RunError when there is no run or no whole checkpoint in it
 */
export function loadRun(
  path: string,
  machine: Pick<Td3Options, 'device' | 'threads'>,
  terminal: Terminal,
  options: { best?: boolean } = {},
): LoadedRun {
  const folder = RunFolder.open(path);
  const note = (text: string) => print(terminal.stderr, paint(terminal.stderr, 'dim', text));
  const { env, envOptions } = folder.readConfig();
  const { checkpoint: agent, notice } =
    options.best === true
      ? { checkpoint: bestAgent(folder, machine) }
      : folder.findCheckpoint((checkpoint) => agentOf(checkpoint, machine));
  if (notice !== undefined) note(notice);
  return {
    folder,
    agent,
    env: String(env),
    envOptions: (envOptions ?? {}) as Record<string, unknown>,
    steps: agent.steps,
    evaluation: evaluationAt(agent.steps, folder, note),
  };
}

type Machine = Pick<Td3Options, 'device' | 'threads'>;

function agentOf({ config, state }: Checkpoint, machine: Machine): Td3Agent {
  const agent = new Td3Agent({ ...(config as Td3Options), ...machine });
  try {
    agent.loadState(state);
    return agent;
  } catch (error) {
    agent.close();
    throw error;
  }
}

function bestAgent({ path, bestCheckpointPath }: RunFolder, machine: Machine): Td3Agent {
  if (existsSync(bestCheckpointPath))
    return agentOf(readCheckpointFile(bestCheckpointPath), machine);
  throw new RunError(
    `Expected ${path} to have a best policy but received none: the run has had no evaluation yet. ` +
      'Leave out --best',
  );
}

/**
 * A run that was cut off has no summary; one that was stopped early may have no evaluation; and a
 * damaged summary is no reason not to use the agent.
 */
function evaluationAt(
  step: number,
  folder: RunFolder,
  note: (text: string) => void,
): EvaluationRecord | undefined {
  if (!existsSync(folder.summaryPath)) return undefined;
  try {
    const { evaluations = [] } = folder.readSummary() as Partial<TrainResult>;
    return evaluations.find((evaluation) => evaluation.step === step);
  } catch (error) {
    note(`${(error as Error).message}. The return of the last evaluation is not known`);
    return undefined;
  }
}
