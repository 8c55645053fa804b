/**
 * Trains an agent on the device under test, and beside it one on a reference device from the same
 * transitions: what one update makes of its batch has to be the same but for rounding.
 *
 * The tested agent acts and explores; the other one sees what it sees. So nothing but rounding tells
 * the two apart, for as long as one likes. Rounding grows as training goes on (Adam turns the smallest
 * gradient into a whole step), so that the first updates are held to narrow limits, later ones to wide ones.
 */
import { Device } from '../../lib/device/index.js';
import type { DeviceOptions, Mlp, SparseChoice } from '../../lib/device/index.js';
import { makeEnv } from '../../lib/envs/index.js';
import type { Environment } from '../../lib/envs/index.js';
import { Td3Agent } from '../../lib/td3/agent.js';
import { namedNetworks } from '../../lib/td3/networks.js';
import { evaluate } from '../../lib/train/evaluate.js';
import { judge } from './limits.js';
import type { Check, Limits } from './limits.js';

/** A training run in short. */
export interface TrainingProblem {
  task: string;
  /** Pattern of all six networks. */
  sparsity: string;
  /** Width of both hidden layers. */
  hidden: number;
  batch: number;
  /** Environment steps; the first quarter, at most 500, is warm-up with random actions. */
  steps: number;
  /** Of the evaluations at the end. */
  episodes: number;
  seed: number;
}

/** How far the two agents are apart after an update. */
export interface Distance {
  update: number;
  /** Root mean square difference of q1, q2 and target over their root mean square. */
  values: number;
  /** Root mean square difference of all weights over that of the reference's way from the start. */
  weights: number;
  /** Share of the mask entries that differ. */
  masks: number;
  /** Sum of both critics' mean squared errors. */
  criticLoss: { tested: number; reference: number };
}

export interface TrainingComparison {
  tested: DeviceOptions;
  reference: DeviceOptions;
  problem: TrainingProblem;
  distances: Distance[];
  /** Mean return over the same episodes without noise, at the end. */
  returns: { tested: number; reference: number };
  /** How the tested device multiplied with sparse layers. */
  choices: SparseChoice[];
  checks: Check[];
  passed: boolean;
  /** What ended it early; null if nothing did. */
  error: string | null;
}

/** Updates that are looked at, as far as training goes; the last is always one. */
const looks = [1, 2, 3, 4, 6, 8, 10, 30, 100, 300, 1000, 3000, 10_000];

/** @throws RunError if a device cannot be used; what does not agree is no error but in the result */
export async function compareTraining(
  problem: TrainingProblem,
  tested: DeviceOptions,
  reference: DeviceOptions,
  limits: Limits,
): Promise<TrainingComparison> {
  const devices: Device[] = [];
  const env = await makeEnv(problem.task);
  try {
    const [one, other] = [tested, reference].map((options) => {
      const device = new Device(options);
      devices.push(device);
      return makeAgent(problem, env, device, tested);
    });
    const distances = trainBoth(problem, env, one!, other!);
    const options = { episodes: problem.episodes, seed: problem.seed };
    const mean = async (agent: Td3Agent) => (await evaluate(agent, env, options)).mean;
    const returns = { tested: await mean(one!), reference: await mean(other!) };
    const checks = judge(distances, returns, limits);
    const passed = checks.every((check) => check.passed);
    const choices = one!.device.sparseChoices();
    const found = { distances, returns, choices, checks, passed, error: null };
    return { tested, reference, problem, ...found };
  } finally {
    env.close();
    for (const device of devices) device.close();
  }
}

/** The comparison that an error ended: it has failed. */
export function failedComparison(
  problem: TrainingProblem,
  tested: DeviceOptions,
  reference: DeviceOptions,
  error: string,
): TrainingComparison {
  const returns = { tested: NaN, reference: NaN };
  const found = { distances: [], returns, choices: [], checks: [], passed: false };
  return { tested, reference, problem, ...found, error };
}

function makeAgent(
  problem: TrainingProblem,
  env: Environment,
  device: Device,
  { dataGradient }: DeviceOptions,
): Td3Agent {
  const { steps, hidden, batch, sparsity, seed } = problem;
  const { observationSize, actionSize, actionLow, actionHigh } = env;
  const learningStarts = Math.min(500, Math.floor(steps / 4));
  return new Td3Agent(
    {
      observationSize,
      actionSize,
      actionLow,
      actionHigh,
      sparsity,
      seed,
      learningStarts,
      hiddenSizes: [hidden, hidden],
      batchSize: batch,
      bufferSize: steps,
      // Both agents have the masks that the tested one's data gradients ask for.
      maskShape: dataGradient === 'transposable' ? 'transposable' : 'row',
      // Masks move a few times, and not before the first updates have been compared.
      maskInterval: Math.max(12, Math.floor((steps - learningStarts) / 4)),
    },
    device,
  );
}

function trainBoth(
  { steps, seed }: TrainingProblem,
  env: Environment,
  tested: Td3Agent,
  reference: Td3Agent,
): Distance[] {
  const start = weightsOf(reference);
  const distances: Distance[] = [];
  let observation = env.reset({ seed });
  for (let step = 1; step <= steps; step++) {
    const action = tested.act(observation, { explore: true });
    const { observation: nextObservation, reward, terminated, truncated } = env.step(action);
    for (const agent of [tested, reference]) {
      agent.observe({ observation, action, reward, nextObservation, terminated, truncated });
      if (agent.ready) agent.learn();
    }
    const { updates } = reference;
    if (updates > 0 && (step === steps || looks.includes(updates))) {
      distances.push(distance(tested, reference, start));
    }
    observation = terminated || truncated ? env.reset() : nextObservation;
  }
  return distances;
}

function distance(tested: Td3Agent, reference: Td3Agent, start: Float32Array): Distance {
  const [weights, expected] = [weightsOf(tested), weightsOf(reference)];
  const [masks, expectedMasks] = [partsOf(tested, 'mask'), partsOf(reference, 'mask')];
  const differing = masks.reduce((sum, entry, i) => sum + (entry === expectedMasks[i] ? 0 : 1), 0);
  const expectedValues = valuesOf(reference);
  return {
    update: reference.updates,
    values: rootMeanSquare(valuesOf(tested), expectedValues) / rootMeanSquare(expectedValues),
    weights: rootMeanSquare(weights, expected) / rootMeanSquare(expected, start),
    masks: differing / masks.length,
    criticLoss: {
      tested: tested.metrics()['criticLoss'] ?? NaN,
      reference: reference.metrics()['criticLoss'] ?? NaN,
    },
  };
}

function valuesOf(agent: Td3Agent): Float32Array {
  const { q1, q2, target } = agent.trace();
  return Float32Array.from([...q1, ...q2, ...target]);
}

const weightsOf = (agent: Td3Agent): Float32Array => partsOf(agent, 'weight');

/** A part of all layers of all six networks, one after the other. */
function partsOf({ networks }: Td3Agent, part: 'weight' | 'mask'): Float32Array {
  const arrays = namedNetworks(networks).flatMap(({ mlp, member }) => layers(mlp, part, member));
  const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

function layers(mlp: Mlp, part: 'weight' | 'mask', member: number): Float32Array[] {
  return Array.from({ length: mlp.layers }, (_, layer) => mlp.read(layer, part, member));
}

/** Of the differences to `from`, or of the values themselves; NaN if one of them is. */
function rootMeanSquare(values: Float32Array, from?: Float32Array): number {
  const sum = values.reduce((total, value, i) => total + (value - (from?.[i] ?? 0)) ** 2, 0);
  return Math.sqrt(sum / values.length);
}
