/** How a run is named and written down. */
import { givenOptionsOf } from '../envs/given-options.js';
import { packageVersion } from './package-version.js';
import type { TrainSettings } from './train-options.js';

/** What `format` is in a run's `config.json`. */
export const runFormat = 'rnm-td3-run/1';

/**
 * The content of `config.json`: all that is needed to make the run again. `agent` has every value in effect;
 * `chosen` names those of its options that were chosen, which the values of the others may have followed.
 */
export function describeRun(settings: TrainSettings): Record<string, unknown> {
  const { env, agent, steps, seed } = settings;
  const { evalInterval, evalEpisodes, logInterval, checkpointInterval } = settings;
  const { keepCheckpoints, saveReplay, stopAtReturn, patience } = settings;
  return {
    chosen: Object.keys(agent.config),
    ...describeTask(settings),
    // What describes the run itself comes from the run.
    ...definedMembers(settings.config),
    format: runFormat,
    version: packageVersion,
    env: env.id,
    seed,
    steps,
    evalInterval,
    evalEpisodes,
    logInterval,
    checkpointInterval,
    keepCheckpoints,
    saveReplay,
    ...(stopAtReturn !== undefined && { stopAtReturn }),
    ...(patience !== undefined && { patience }),
    agent: valuesInEffect(agent.config),
  };
}

/** Also what copies leave out: see `Td3Config`. */
function valuesInEffect(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const keys = Object.getOwnPropertyNames(config);
  return Object.fromEntries(keys.map((key) => [key, config[key]]));
}

/** How the task was made and stepped, where the caller does not say it: in the command line's words. */
function describeTask({ env, overlapped = [] }: TrainSettings): Record<string, unknown> {
  return {
    envOptions: givenOptionsOf(env) ?? {},
    overlap: overlapped.length > 0,
    envs: Math.max(1, overlapped.length),
  };
}

function definedMembers(config: TrainSettings['config'] = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}
