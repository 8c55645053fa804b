/** What `rnm-td3 train` says while it trains and when it is done: for people, or for machines. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { remedies } from '../../native/package-manager.mjs';
import type { Td3Agent } from '../td3/agent.js';
import { findPreset } from '../td3/presets.js';
import type { EvaluationRecord, TrainProgress, TrainResult } from '../train/index.js';
import { RunFolder } from '../train/index.js';
import { flagName, formatDefault, nameFlags } from './flags.js';
import { formatDuration, formatNumber } from './format.js';
import { ProgressBar } from './progress.js';
import { quotePath, quoteWord } from './shell.js';
import { describeWarning, paint, print, printJson } from './terminal.js';
import type { Output, Terminal } from './terminal.js';
import { runConfigSchema } from './train-config.js';
import type { RunConfig } from './train-config.js';

/** Told what happens during a run. */
export interface TrainReport {
  start(config: RunConfig, agent: Td3Agent): void;
  progress(progress: TrainProgress): void;
  /** Something that the user should know at once. */
  notice(text: string): void;
  evaluation(record: EvaluationRecord): void;
  end(result: TrainResult): void;
  /** Told that the user wants the run to end. */
  stopping(): void;
  /** Called last, also after an error: leaves the terminal in order. */
  close(): void;
}

const optionKeys = Object.keys(runConfigSchema.shape);

/** Milliseconds between two progress lines for machines. */
const jsonInterval = 1000;

/** One JSON object per line: "start", "progress" once a second, "evaluation", "notice", "summary". */
export function jsonReport({ stdout }: Terminal): TrainReport {
  let last = -Infinity;
  return {
    start: (config, { steps }) => {
      printJson(stdout, { event: 'start', config, ...(steps > 0 && { resumedAt: steps }) });
    },
    notice: (text) => printJson(stdout, { event: 'notice', text }),
    progress(progress) {
      if (performance.now() - last < jsonInterval) return;
      last = performance.now();
      const { evaluation, best, ...figures } = progress;
      const means = { evaluationMean: evaluation?.mean, bestMean: best?.mean };
      printJson(stdout, { event: 'progress', ...figures, ...means });
    },
    evaluation: (record) => printJson(stdout, { event: 'evaluation', ...record }),
    end: (result) => printJson(stdout, { event: 'summary', ...result }),
    stopping: () => {},
    close: () => {},
  };
}

/** A progress bar on standard error, and a summary on standard output. */
export function plainReport({ stdout, stderr }: Terminal): TrainReport {
  let bar: ProgressBar | undefined;
  let stopped = false;
  const close = (state?: string): void => {
    bar?.stop(state);
    bar = undefined;
  };
  return {
    start(config, agent) {
      print(stderr, describeStart(config, agent));
      const { steps, learningStarts } = config;
      if (steps >= learningStarts) return;
      const remedy = 'Raise --steps or lower --learning-starts';
      const why = `all ${formatNumber(steps)} steps are warm-up (--learning-starts ${learningStarts})`;
      print(stderr, describeWarning(stderr, `No update will be made: ${why}. ${remedy}`));
    },
    progress(progress) {
      if (stopped) return;
      bar ??= new ProgressBar(stderr, progress.steps);
      bar.update(progress);
    },
    evaluation: () => {},
    notice(text) {
      // The bar is drawn anew below it.
      close();
      print(stderr, describeWarning(stderr, nameFlags(text, optionKeys)));
    },
    stopping() {
      stopped = true;
      close();
      print(stderr, 'Stopping and saving. Once more to stop at once.');
    },
    end(result) {
      close(result.finished ? 'done' : 'stopped');
      print(stdout, describeResult(result, stdout));
    },
    close: () => close(),
  };
}

function describeStart(config: RunConfig, agent: Td3Agent): string {
  const { env, steps, seed } = config;
  const pattern = agent.sparsity;
  const { description, threads } = agent.device.info;
  const what =
    agent.steps === 0
      ? `Training ${env} for ${formatNumber(steps)} steps`
      : `Going on with ${env} at step ${formatNumber(agent.steps)} of ${formatNumber(steps)}`;
  return (
    `${what}: ${pattern}, seed ${seed}, ` +
    `${description}, ${threads} ${threads === 1 ? 'thread' : 'threads'}\n${describePreset(config)}`
  );
}

/** One line on the preset: what it set, and how to do without. */
function describePreset(config: RunConfig): string {
  const { preset: name, env } = config;
  const preset = findPreset(name, env);
  if (preset === undefined) {
    return name === 'none' ? 'No preset: defaults' : `No preset for ${env}: defaults`;
  }
  const set = (Object.entries(preset.options) as [keyof RunConfig, unknown][])
    .filter(([key, value]) => JSON.stringify(config[key]) === JSON.stringify(value))
    .map(([key, value]) => `--${flagName(key)} ${quoteWord(formatDefault(value))}`);
  const without = name === 'task' ? '; --preset none does without' : '';
  const whose = name === 'task' ? `of ${env}` : 'of the paper';
  return `Preset ${whose}: ${set.join(' ')}${without}`;
}

function describeResult(result: TrainResult, stdout: Output): string {
  const folder = RunFolder.open(result.folder);
  const { finalEvaluation: evaluation, bestEvaluation: best } = result;
  const rows = [
    ['Evaluation', evaluation === undefined ? 'none yet' : describeEvaluation(evaluation, stdout)],
    ...(best === undefined || best === evaluation
      ? []
      : [['Best', describeEvaluation(best, stdout)]]),
    ['Run folder', folder.path],
    ['Policy', join(folder.path, basename(folder.policyPath))],
    ...(existsSync(folder.curvePngPath)
      ? [['Learning curve', join(folder.path, basename(folder.curvePngPath))]]
      : []),
    ...result.notices.map((notice) => ['Note', nameFlags(notice, optionKeys)]),
  ];
  const [program, path] = [`${remedies().run} rnm-td3`, quotePath(folder.path)];
  const next = [
    ...(result.interrupted ? [`${program} train --resume ${path}`] : []),
    `${program} eval ${path}`,
    ...(best === undefined || best === evaluation ? [] : [`${program} eval ${path} --best`]),
    `${program} export ${path} --format onnx`,
    `tensorboard --logdir ${path}`,
  ];
  return [
    `\n${paint(stdout, 'bold', describeEnd(result))}`,
    '',
    ...rows.map(([name = '', value = '']) => `  ${paint(stdout, 'dim', name.padEnd(16))}${value}`),
    '',
    'What to try next:',
    ...next.map((line) => `  ${line}`),
  ].join('\n');
}

function describeEnd({ interrupted, steps, env, sparsity, ...result }: TrainResult): string {
  const done = `${formatNumber(steps)} steps of ${env} (${sparsity})`;
  if (interrupted) return `Stopped after ${done}; --resume goes on from there.`;
  const did = result.updates === 0 ? `Took ${done}, without any update,` : `Trained ${done}`;
  const { trainSeconds, stepsPerSecond, evaluationSeconds } = result;
  const training = `${formatDuration(trainSeconds)}, at ${formatNumber(stepsPerSecond)} steps/s`;
  return `${did} in ${training}; evaluations took ${formatDuration(evaluationSeconds)}.`;
}

function describeEvaluation(record: EvaluationRecord, stdout: Output): string {
  const value = `${formatNumber(record.mean, 1)} ± ${formatNumber(record.std, 1)}`;
  const { returns, step } = record;
  return `${paint(stdout, 'bold', value)} over ${returns.length} episodes at step ${formatNumber(step)}`;
}
