/**
 * `npm run test:gpu`: the conformance suites on a GPU, then training beside the CPU. The result is
 * one JSON file, gpu-test.json, which docs/gpu.md describes. The exit code is 0 if everything holds.
 *
 *   npm run test:gpu -- --out results
 *   npm run test:gpu -- --device cuda-emulated --suites test/device/graph --task Reacher-v5 \
 *     --steps 60 --hidden 32 --batch 32 --episodes 1
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeGpuMachine, gpuState } from '../../lib/bench/gpu/gpu-machine.js';
import type { GpuMachine, GpuName, GpuState } from '../../lib/bench/gpu/gpu-machine.js';
import type { DeviceOptions } from '../../lib/device/index.js';
import { checkInteger, invalidValue } from '../../lib/errors.js';
import { compareTraining, failedComparison } from './compare-training.js';
import type { TrainingComparison, TrainingProblem } from './compare-training.js';
import { limitsOf } from './limits.js';
import { runSuites } from './suites.js';
import type { SuiteResult } from './suites.js';

export interface GpuTest {
  kind: 'rnm-td3 test:gpu';
  passed: boolean;
  machine: GpuMachine;
  gpu: GpuState;
  /** Null where they were left out. */
  suites: SuiteResult | null;
  training: TrainingComparison[];
  seconds: number;
}

interface Settings {
  device: GpuName;
  out: string | undefined;
  suites: string[];
  problem: TrainingProblem;
}

/** Every arithmetic, and sparse tensor cores where it has them. */
const cases: DeviceOptions[] = [
  { precision: 'fp32' },
  { precision: 'fp32', weightGradient: 'sampled' },
  { precision: 'tf32', sparse: 'always' },
  { precision: 'bf16', sparse: 'never' },
  { precision: 'bf16', sparse: 'always' },
  { precision: 'tf32', sparse: 'always', dataGradient: 'transposable' },
  { precision: 'bf16', sparse: 'always', dataGradient: 'transposable' },
  { precision: 'bf16', sparse: 'always', dataGradient: 'double-pruned' },
];

const options = {
  device: { type: 'string', default: 'cuda' },
  out: { type: 'string' },
  suites: { type: 'string', default: 'test/device,test/td3,test/cusparselt' },
  task: { type: 'string', default: 'HalfCheetah-v5' },
  sparsity: { type: 'string', default: '1:4' },
  hidden: { type: 'string', default: '256' },
  batch: { type: 'string', default: '256' },
  steps: { type: 'string', default: '2000' },
  episodes: { type: 'string', default: '5' },
  seed: { type: 'string', default: '0' },
} as const;

function readSettings(args: string[]): Settings {
  const { values } = parseArgs({ args, options });
  const { device, out, suites, task, sparsity } = values;
  if (device !== 'cuda' && device !== 'cuda-emulated') {
    throw invalidValue('device', 'one of "cuda", "cuda-emulated"', device);
  }
  const count = (name: 'hidden' | 'batch' | 'steps' | 'episodes') =>
    checkInteger(name, Number(values[name]));
  return {
    device,
    out,
    suites: suites === 'none' ? [] : suites.split(','),
    problem: {
      task,
      sparsity,
      hidden: count('hidden'),
      batch: count('batch'),
      steps: checkInteger('steps', Number(values.steps), 20),
      episodes: count('episodes'),
      seed: checkInteger('seed', Number(values.seed), 0),
    },
  };
}

async function testGpu({ device, suites, problem }: Settings, folder: string): Promise<GpuTest> {
  const start = performance.now();
  const machine = describeGpuMachine(device);
  print(machine.description);
  const result = suites.length === 0 ? null : await runSuites(device, suites, folder);
  if (result !== null) print(describeSuites(result));
  const training: TrainingComparison[] = [];
  for (const one of cases) {
    training.push(await compareCase(problem, { device, ...one }));
    print(describeTraining(training.at(-1)!));
  }
  return {
    kind: 'rnm-td3 test:gpu',
    passed: result?.passed !== false && training.every(({ passed }) => passed),
    machine,
    gpu: gpuState(),
    suites: result,
    training,
    seconds: (performance.now() - start) / 1e3,
  };
}

/** What one arithmetic cannot do is a result: the others are tried as well. */
async function compareCase(
  problem: TrainingProblem,
  tested: DeviceOptions,
): Promise<TrainingComparison> {
  const reference = { device: 'cpu' } as const;
  try {
    return await compareTraining(problem, tested, reference, limitsOf(tested));
  } catch (error) {
    // A wrong option is the caller's doing and the same in every case.
    if (!(error instanceof Error) || error.name === 'InvalidValueError') throw error;
    return failedComparison(problem, tested, reference, error.message);
  }
}

function describeSuites({ tests, failures, seconds }: SuiteResult): string {
  const { passed, failed, skipped } = tests;
  return [
    `Suites: ${passed} passed, ${failed} failed, ${skipped} skipped, ${Math.round(seconds)} s`,
    ...failures.map(({ test }) => `  failed: ${test}`),
  ].join('\n');
}

function describeTraining(comparison: TrainingComparison): string {
  const { tested, problem, checks, passed, error } = comparison;
  const { precision = '', sparse = 'auto', dataGradient = 'dense', weightGradient } = tested;
  const gradients = `data gradient ${dataGradient}, weight gradient ${weightGradient ?? 'auto'}`;
  const how = `${precision}, sparse ${sparse}, ${gradients}`;
  const short = (value: number) => value.toPrecision(2);
  return [
    `Training ${problem.task} in ${how}: ${passed ? 'agrees' : 'DISAGREES'}`,
    ...(error === null ? [] : [`  ended early: ${error}`]),
    ...checks.map(
      ({ name, value, limit, passed: ok }) =>
        `  ${ok ? 'ok  ' : 'OFF '} ${name}: ${short(value)}, at most ${short(limit)}`,
    ),
  ].join('\n');
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2));
  const folder = settings.out ?? mkdtempSync(join(tmpdir(), 'rnm-td3-test-'));
  mkdirSync(folder, { recursive: true });
  const result = await testGpu(settings, folder);
  const file = join(folder, 'gpu-test.json');
  writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
  print(`${result.passed ? 'Passed' : 'FAILED'}. Result  ${file}`);
  process.exitCode = result.passed ? 0 : 1;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Error)) throw error;
  const expected = ['InvalidValueError', 'RunError', 'TypeError'].includes(error.name);
  process.stderr.write(`error: ${expected ? error.message : error.stack}\n`);
  process.exitCode = 1;
}
