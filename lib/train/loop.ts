/** The training loop: environment, agent, evaluations, metrics and checkpoints. */
import { describeRun } from './describe-run.js';
import { MetricLog, openMetricFiles } from './metrics.js';
import { RunFolder } from './run-folder.js';
import { Session } from './session.js';
import { resolveTrainOptions } from './train-options.js';
import type { TrainOptions, TrainResult } from './train-options.js';

/**
 * Train an agent on a task and write a run folder.
 *
 * Every step: the agent acts with exploration, the environment steps, the agent remembers the
 * transition and, once warm-up is over, makes one update (Fujimoto et al. 2018, "Addressing
 * Function Approximation Error in Actor-Critic Methods", algorithm 1). Nothing that is learned
 * depends on the clock: the same seeds give the same run, bit for bit.
 *
 * @returns what came out, also when `signal` ended it early
 * @throws InvalidValueError for a bad option, before anything is written
 * @throws RunError when the run cannot go on (a full disk, NaN in observations, rewards or losses);
 *   its message says at which step, and where the last good checkpoint is
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const settings = resolveTrainOptions(options);
  const { env, agent, seed } = settings;
  const sparsity = agent.sparsity ?? 'dense';
  const run = RunFolder.create({ out: settings.out, envId: env.id, sparsity, seed });
  run.writeConfig(describeRun(settings));
  const log = new MetricLog([...openMetricFiles(run), ...(settings.writers ?? [])]);
  const session = new Session(settings, run, log);
  try {
    settings.onStart?.(run.path);
    return await session.run();
  } catch (error) {
    throw session.failure(error);
  } finally {
    log.close();
  }
}
