/** How a run is named and written down. */
import { packageVersion } from './package-version.js';
import type { TrainSettings } from './train-options.js';

/** What `format` is in a run's `config.json`. */
export const runFormat = 'rnm-td3-run/1';

/** The content of `config.json`: all that is needed to make the run again. */
export function describeRun(settings: TrainSettings): object {
  const { env, agent, steps, seed } = settings;
  const { evalInterval, evalEpisodes, logInterval, checkpointInterval } = settings;
  return {
    format: runFormat,
    version: packageVersion,
    env: env.id,
    seed,
    steps,
    evalInterval,
    evalEpisodes,
    logInterval,
    checkpointInterval,
    ...settings.config,
    agent: agent.config,
  };
}
