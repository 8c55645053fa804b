/** A training run of a fraction of a second, in which everything is written that a long one writes. */
import { rmSync } from 'node:fs';
import { Td3Agent } from '../../lib/td3/agent.js';
import type { HyperparameterOptions } from '../../lib/td3/config.js';
import { RunFolder, train } from '../../lib/train/index.js';
import type { TrainOptions, TrainResult } from '../../lib/train/index.js';
import { PointEnvironment } from '../support/point-environment.js';
import { printOf } from '../support/run-print.js';

export const checkpointInterval = 12;

const loop = {
  steps: 60,
  evalInterval: 17,
  evalEpisodes: 1,
  logInterval: 4,
  checkpointInterval,
  keepCheckpoints: 3,
  diskPatience: 0,
  seed: 3,
};

const hyperparameters = {
  hiddenSizes: [8],
  sparsity: '1:4',
  sparseLayers: 'all',
  learningStarts: 8,
  batchSize: 4,
  bufferSize: 20,
  nSteps: 2,
  maskInterval: 10,
  threads: 1,
  device: 'cpu',
} satisfies HyperparameterOptions;

export function newAgent(): Td3Agent {
  const spaces = { observationSize: 2, actionSize: 1, actionLow: -2, actionHigh: 1 };
  return new Td3Agent({ ...spaces, ...hyperparameters });
}

/** Train with a new agent in a folder, or go on in it; the agent stays open. */
export function smallRun(
  agent: Td3Agent,
  where: { out: string } | { resume: string },
  changes: Partial<TrainOptions> = {},
): Promise<TrainResult> {
  const env = new PointEnvironment();
  const evalEnv = new PointEnvironment();
  return train({ ...loop, env, evalEnv, agent, ...changes, ...where });
}

/**
 * Go on with a run until it is done, as a user would: with `resume` if it has a checkpoint, else anew.
 *
 * @returns the step of the checkpoint that it went on from; 0 for none
 */
export async function finishRun(out: string, agent: Td3Agent): Promise<number> {
  const run = openRun(out);
  if (run === undefined) {
    // Nothing was there yet that could be lost.
    rmSync(out, { recursive: true, force: true });
    await smallRun(agent, { out });
    return 0;
  }
  // Who wrote it is this very process, which has not died in truth.
  rmSync(run.lockPath, { force: true });
  const { steps } = run.readCheckpoint().checkpoint;
  try {
    await smallRun(agent, { resume: out });
  } catch (error) {
    if (!/has done all of its/.test((error as Error).message)) throw error;
    // Only its summary tells of the evaluations now; the agent has to be looked at all the same.
    await smallRun(agent, { resume: out }, { steps: loop.steps, saveReplay: true }).catch(() => {});
  }
  return steps;
}

/** The run in a folder, if it has come as far as its first checkpoint. */
function openRun(out: string): RunFolder | undefined {
  try {
    const run = RunFolder.open(out);
    run.readCheckpoint();
    return run;
  } catch {
    return undefined;
  }
}

/** All that two equal runs have in common, as text by what it is of. */
export function printed(out: string, agent: Td3Agent): Record<string, string> {
  const print = Object.entries(printOf(out, agent));
  return Object.fromEntries(print.map(([what, value]) => [what, JSON.stringify(value)]));
}
