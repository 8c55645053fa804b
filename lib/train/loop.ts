/** The training loop: environment, agent, evaluations, metrics and checkpoints. */
import { describeRun } from './describe-run.js';
import { MetricFiles, MetricLog } from './metrics.js';
import { ReplayKeeper } from './replay-keeper.js';
import { ReplaySegments } from './replay-segments.js';
import { resumeRun } from './resume.js';
import { RunFolder } from './run-folder.js';
import { RunLock } from './run-lock.js';
import { Session } from './session.js';
import { resolveTrainOptions } from './train-options.js';
import type { TrainOptions, TrainResult, TrainSettings } from './train-options.js';

/**
 * Train an agent on a task and write a run folder, or go on with one (`resume`).
 *
 * Every step: the agent acts with exploration, the environment steps, the agent remembers the
 * transition and, once warm-up is over, makes one update (Fujimoto et al. 2018, "Addressing
 * Function Approximation Error in Actor-Critic Methods", algorithm 1). Nothing that is learned
 * depends on the clock: the same seeds give the same run, bit for bit, and so does a run that was
 * stopped anywhere and resumed.
 *
 * A disk that takes nothing does not stop training: what could not be written is tried again.
 *
 * @returns what came out, also when `signal` ended it early
 * @throws InvalidValueError for a bad option, before anything is written
 * @throws RunError when the run cannot go on (a disk that stays full, NaN in observations, rewards, losses,
 *   weights or moments); its message says at which step, and where the last good checkpoint is
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const settings = resolveTrainOptions(options);
  const { agent, env, out, seed, resume } = settings;
  const sparsity = agent.sparsity ?? 'dense';
  const folder =
    resume === undefined
      ? RunFolder.create({ out, envId: env.id, sparsity, seed })
      : RunFolder.open(resume);
  const lock = RunLock.take(folder.lockPath);
  try {
    return await trainIn(folder, settings);
  } finally {
    lock.release();
  }
}

async function trainIn(folder: RunFolder, settings: TrainSettings): Promise<TrainResult> {
  const { agent, saveReplay, keepCheckpoints, writers = [] } = settings;
  folder.clearLeftovers();
  const segments = new ReplaySegments(folder.replayPath);
  const resumed = settings.resume === undefined ? undefined : resumeRun(settings, folder, segments);
  folder.writeConfig(describeRun(settings));
  const early: string[] = [];
  let notify = (text: string): void => void early.push(text);
  const metricFiles = new MetricFiles(folder, (text) => notify(text), resumed?.state.metrics);
  const log = new MetricLog([metricFiles, ...writers]);
  const replay = new ReplayKeeper(saveReplay ? agent.replay : undefined, segments, keepCheckpoints);
  try {
    const session = new Session(settings, { folder, metricFiles, log, replay }, resumed?.state);
    notify = (text) => session.notify(text);
    const result = await runSession(session, settings, folder, [
      ...(resumed?.notices ?? []),
      ...early,
    ]);
    // The run is done: what a writer says at the very end does not take that back.
    await log.close().catch((error: unknown) => result.notices.push((error as Error).message));
    return result;
  } finally {
    replay.close();
    // Closing once more does no harm, and must not hide how the run ended.
    await log.close().catch(() => {});
  }
}

async function runSession(
  session: Session,
  settings: TrainSettings,
  folder: RunFolder,
  notices: readonly string[],
): Promise<TrainResult> {
  try {
    settings.onStart?.(folder.path);
    for (const notice of notices) session.notify(notice);
    return await session.run();
  } catch (error) {
    throw session.failure(error);
  }
}
