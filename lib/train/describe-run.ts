/** How a run is named and written down. */
import { packageVersion } from './package-version.js';
import type { TrainSettings } from './train-options.js';

/** What `format` is in a run's `config.json`. */
export const runFormat = 'rnm-td3-run/1';

/** The content of `config.json`: all that is needed to make the run again. */
export function describeRun(settings: TrainSettings): Record<string, unknown> {
  const { env, agent, steps, seed } = settings;
  const { evalInterval, evalEpisodes, logInterval, checkpointInterval } = settings;
  const { keepCheckpoints, saveReplay, stopAtReturn, patience } = settings;
  return {
    // What describes the run itself comes from the run.
    ...settings.config,
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
    agent: agent.config,
  };
}
