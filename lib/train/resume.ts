/** Going on with a run where its last checkpoint left it. */
import { InvalidValueError, RunError, invalidValue } from '../errors.js';
import { stringifyJson } from '../json.js';
import { describeRun } from './describe-run.js';
import type { RunFolder } from './run-folder.js';
import type { ReplaySegments } from './replay-segments.js';
import type { RunState } from './run-state.js';
import type { TrainSettings } from './train-options.js';

/** What may differ from the run as it was: nothing that is learned depends on it. */
export const resumableOptions = [
  'steps',
  'evalInterval',
  'evalEpisodes',
  'logInterval',
  'checkpointInterval',
  'keepCheckpoints',
  'saveReplay',
  'stopAtReturn',
  'patience',
  'threads',
] as const;

/** What describes a config.json and not its run. */
const descriptions = ['format', 'version', 'preset', 'chosen', 'out'];

/** A run as its checkpoint has it. */
export interface Resumed {
  state: RunState;
  /** What the user should know: an older checkpoint, a replay buffer that is not there. */
  notices: string[];
}

/**
 * Have agent and replay buffer be as the newest good checkpoint has them, and forget what is on the disk of
 * later steps.
 *
 * @param segments the rows of the run's replay buffer
 * @throws InvalidValueError when an option is not what it was in the run, RunError when no checkpoint can be used
 */
export function resumeRun(
  settings: TrainSettings,
  folder: RunFolder,
  segments: ReplaySegments,
): Resumed {
  checkSameRun(folder.readConfig(), describeRun(settings));
  const { checkpoint, path, notice } = folder.findCheckpoint((found) => {
    if (found.run === undefined) throw new RunError('it is of an agent alone, not of a run');
    restoreReplay(settings, segments, found.run);
    settings.agent.loadState(found.state);
    return { run: found.run, steps: found.steps };
  });
  checkSteps(settings, folder, checkpoint.steps);
  folder.promoteCheckpoint(path);
  const { replayAdded } = checkpoint.run;
  if (replayAdded === null || !settings.saveReplay) segments.clear();
  else segments.cutAfter(replayAdded);
  const notices = notice === undefined ? [] : [notice];
  return {
    state: checkpoint.run,
    notices: [...notices, ...withoutReplay(settings, checkpoint.run)],
  };
}

function restoreReplay(
  { agent, saveReplay }: TrainSettings,
  segments: ReplaySegments,
  run: RunState,
): void {
  if (agent.replay === undefined || run.replayAdded === null || !saveReplay) return;
  segments.restore(agent.replay, run.replayAdded);
}

function withoutReplay({ agent, saveReplay }: TrainSettings, run: RunState): string[] {
  if (agent.replay === undefined || (run.replayAdded !== null && saveReplay)) return [];
  return [
    'The replay buffer begins empty, since the run does not keep it (saveReplay): the policy gathers ' +
      'learningStarts transitions before learning goes on, and what is learned differs from a run ' +
      'that was not interrupted',
  ];
}

function checkSteps({ steps }: TrainSettings, folder: RunFolder, done: number): void {
  if (steps < done) {
    throw invalidValue('steps', `at least the ${done} steps that the run has done`, steps);
  }
  if (steps > done || !hasFinished(folder)) return;
  throw new InvalidValueError(
    `The run in ${folder.path} has done all of its ${done} steps. Raise steps to go on with it`,
  );
}

function hasFinished(folder: RunFolder): boolean {
  try {
    const { finished, stopReason } = folder.readSummary();
    return finished === true && stopReason === 'steps';
  } catch {
    return false;
  }
}

/** @throws InvalidValueError that names an option with both values */
function checkSameRun(before: Record<string, unknown>, now: Record<string, unknown>): void {
  const [was, is] = [flatten(before), flatten(now)];
  for (const name of new Set([...Object.keys(was), ...Object.keys(is)])) {
    if (isFree(name) || shown(was[name]) === shown(is[name])) continue;
    const expected = `${shown(was[name])}, as in the run to go on with,`;
    const remedy = `What may change is ${resumableOptions.join(', ')}`;
    throw invalidValue(name, expected, is[name], remedy);
  }
}

function shown(value: unknown): string {
  return value === undefined ? 'left out' : stringifyJson(value);
}

function isFree(name: string): boolean {
  return [...resumableOptions, ...descriptions].includes(name);
}

/** The agent's options beside the run's; one name means the same in both. */
function flatten({ agent, seed, ...run }: Record<string, unknown>): Record<string, unknown> {
  return { ...run, ...(agent as Record<string, unknown>), seedOfTask: seed };
}
