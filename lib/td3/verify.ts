/**
 * Replays stored PyTorch states of TD3 updates on this machine's kernels and compares everything:
 * weights, masks, Adam's moments, losses and values of all six networks after every update.
 *
 * A reference is NAME.json (configuration) with NAME.safetensors beside it: initial networks,
 * batches, noise, and the state after each update. A tensor that an update left bit-identical is
 * not repeated: the last one is carried forward, and no change is expected.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { Device } from '../device/index.js';
import { maskRules } from '../device/mlp.js';
import type { DeviceOptions } from '../device/index.js';
import { RunError } from '../errors.js';
import { decodeSafetensors } from '../train/formats/safetensors.js';
import type { SafeTensor } from '../train/formats/safetensors.js';
import { Td3Agent } from './agent.js';
import type { TransitionBatch } from './batch-buffers.js';
import { statePlaces } from './state.js';
import type { StatePlace } from './state.js';

/** The largest disagreement of one kind of value. */
export interface Deviation {
  /** |error| / tolerance: at most 1 where everything is within it. */
  ofTolerance: number;
  /** |error| at that place. */
  error: number;
  /** Tensor and update it was found in, e.g. "critic1.0.weight after update 3". */
  where: string;
}

/** How well one reference was reproduced. */
export interface Verification {
  name: string;
  passed: boolean;
  updates: number;
  /** Numbers compared. */
  compared: number;
  /** Mask entries that differ; none may. */
  maskMismatches: number;
  worst: Record<DeviationKind, Deviation>;
}

/** What is compared, and as which kinds of value a reference's .json has measured rounding for it. */
const kinds = {
  weights: ['weight', 'target_weight'],
  moment1: ['adam_m'],
  moment2: ['adam_v'],
  scalars: ['loss', 'q_stat'],
} as const;
export type DeviationKind = keyof typeof kinds;

/**
 * A float32 value may be off by this many times what PyTorch's own float32 update was off from float64
 * according to the reference's .json: other kernels add up in other orders, and single values of Q, for
 * which the .json has only means, scatter more.
 */
const roundingFactor = 16;
/** For a reference that says nothing of rounding: what is usual, as a part of a tensor's largest value. */
const usualRounding: Record<DeviationKind, number> = {
  weights: 2.5e-7,
  moment1: 1e-6,
  moment2: 2e-6,
  scalars: 3e-7,
};
/** The reference's scalars and the agent's metrics that they are compared with. */
const scalarMetrics = {
  critic_loss: 'criticLoss',
  q1_mean: 'q1Mean',
  q2_mean: 'q2Mean',
  y_mean: 'targetMean',
  actor_loss: 'actorLoss',
};

const roundingSchema = z
  .record(z.string(), z.union([z.number(), z.object({ max_rel_tensor: z.number() })]))
  .optional();
const referenceSchema = z.object({
  /** float32 against float64, relative to a tensor's largest value; and with the batch in other orders. */
  f32_vs_f64: roundingSchema,
  f32_permuted_batch_vs_f64: roundingSchema,
  config: z.object({
    name: z.string(),
    obs: z.int().min(1),
    act: z.int().min(1),
    hidden: z.int().min(1),
    batch: z.int().min(1),
    updates: z.int().min(1),
    mask_every: z.int().min(1),
    nm: z.string().nullable(),
    rule: z.string().nullable(),
    target_mask: z.string().nullable(),
    max_action: z.number(),
    gamma: z.number(),
    tau: z.number(),
    policy_delay: z.int(),
    policy_noise: z.number(),
    noise_clip: z.number(),
    lr: z.number(),
    beta1: z.number(),
    beta2: z.number(),
    adam_eps: z.number(),
    sr_lambda: z.number(),
    lr_density_power: z.number().default(0),
    mask_rule: z.enum(maskRules).exclude(['random']).default('magnitude'),
    drop_fraction: z.number().default(0),
  }),
});
type Reference = z.output<typeof referenceSchema>;
type ReferenceConfig = Reference['config'];

/** The references that come with the package. */
export function defaultReferenceFiles(): string[] {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const folder = join(root, 'test', 'fixtures', 'td3');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && !name.startsWith('projection'))
    .sort()
    .map((name) => join(folder, name));
}

/**
 * Replay one reference.
 *
 * @param path the reference's .json; its .safetensors lies beside it
 * @throws RunError when the files cannot be read or are no reference
 */
export async function verifyReference(
  path: string,
  options: Pick<DeviceOptions, 'device' | 'threads' | 'precision'> = {},
): Promise<Verification> {
  const reference = readReference(path);
  const dataPath = path.replace(/\.json$/, '.safetensors');
  const { tensors } = decodeSafetensors(readBytes(dataPath), dataPath);
  const device = new Device(options);
  try {
    const replay = new Replayed(reference, tensors, device);
    for (let update = 1; update <= reference.config.updates; update++) replay.step(update);
    return replay.result();
  } finally {
    device.close();
  }
}

const remedy =
  'Pass the .json of a reference whose .safetensors lies beside it, or nothing for those of the package';

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new RunError(`Could not read ${path}: ${(error as Error).message}. ${remedy}`);
  }
}

function readReference(path: string): Reference {
  const text = new TextDecoder().decode(readBytes(path));
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new RunError(`${path} is not JSON: ${(error as Error).message}. ${remedy}`);
  }
  const parsed = referenceSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path: keys, message }) => {
    return `${keys.join('.')}: ${message.endsWith('received undefined') ? 'missing' : message}`;
  });
  throw new RunError(`${path} is no reference of TD3 updates (${problems.join('; ')}). ${remedy}`);
}

/** The tolerance of a kind of value, as a part of the largest value of its tensor. */
function toleranceOf(reference: Reference, kind: DeviationKind): number {
  const measured = [reference.f32_vs_f64, reference.f32_permuted_batch_vs_f64].flatMap((block) =>
    kinds[kind].map((name) => block?.[name]),
  );
  const roundings = measured.flatMap((m) => (typeof m === 'object' ? [m.max_rel_tensor] : []));
  return roundingFactor * (roundings.length > 0 ? Math.max(...roundings) : usualRounding[kind]);
}

function makeAgent(c: ReferenceConfig, device: Device): Td3Agent {
  const options: Record<string, unknown> = {
    observationSize: c.obs,
    actionSize: c.act,
    actionLow: -c.max_action,
    actionHigh: c.max_action,
    hiddenSizes: [c.hidden, c.hidden],
    batchSize: c.batch,
    bufferSize: 1,
    gamma: c.gamma,
    tau: c.tau,
    policyDelay: c.policy_delay,
    policyNoise: c.policy_noise,
    noiseClip: c.noise_clip,
    learningRate: c.lr,
    adamBeta1: c.beta1,
    adamBeta2: c.beta2,
    adamEpsilon: c.adam_eps,
    sparsity: c.nm ?? 'dense',
    gradientRule: c.rule ?? 'masked',
    srLambda: c.sr_lambda,
    maskInterval: c.mask_every,
    densityPower: c.lr_density_power,
    maskRule: c.mask_rule,
    dropFraction: c.drop_fraction,
    targetMask: c.mask_rule === 'magnitude' ? (c.target_mask ?? 'project') : 'follow',
    // Every option whose default is not the references' is named here.
    sparseLayers: 'all',
    initialScale: 'dense',
    newMoment: 'zero',
    dormantDecay: 1,
  };
  return new Td3Agent(options as ConstructorParameters<typeof Td3Agent>[0], device);
}

/** One reference on its way through the updates. */
class Replayed {
  readonly #config: ReferenceConfig;
  readonly #tensors: Record<string, SafeTensor>;
  readonly #agent: Td3Agent;
  readonly #places: StatePlace[];
  readonly #expected = new Map<string, Float32Array>();
  readonly #tolerance: Record<DeviationKind, number>;
  readonly #worst: Verification['worst'];
  #compared = 0;
  #maskMismatches = 0;

  constructor(reference: Reference, tensors: Record<string, SafeTensor>, device: Device) {
    const { config } = reference;
    this.#config = config;
    this.#tolerance = {
      weights: toleranceOf(reference, 'weights'),
      moment1: toleranceOf(reference, 'moment1'),
      moment2: toleranceOf(reference, 'moment2'),
      scalars: toleranceOf(reference, 'scalars'),
    };
    this.#tensors = tensors;
    this.#agent = makeAgent(config, device);
    this.#places = statePlaces(this.#agent.networks);
    const none = (): Deviation => ({ ofTolerance: 0, error: 0, where: '' });
    this.#worst = { weights: none(), moment1: none(), moment2: none(), scalars: none() };
    for (const { name, mlp, layer, part, member, shape } of this.#places) {
      const initial = tensors[name];
      const size = shape.reduce((product, n) => product * n, 1);
      const values = initial ? this.#numbers(name) : new Float32Array(size);
      this.#expected.set(name, values);
      if (initial) mlp.write(layer, part, values, member);
    }
  }

  /** Do one update and compare everything with the reference. */
  step(update: number): void {
    this.#agent.learn(this.#batch(update), { targetNoise: this.#slice('batch.eps', update) });
    this.#compareScalars(update);
    for (const place of this.#places) {
      const changed = this.#tensors[`u${update}.${place.name}`];
      if (changed) this.#expected.set(place.name, this.#numbers(`u${update}.${place.name}`));
      const expected = this.#expected.get(place.name) ?? new Float32Array(0);
      const received = place.mlp.read(place.layer, place.part, place.member);
      const where = `${place.name} after update ${update}`;
      if (place.part === 'mask') this.#compareMask(expected, received);
      else this.#compare(kindOf(place), where, expected, received);
    }
  }

  result(): Verification {
    const within = Object.values(this.#worst).every(({ ofTolerance }) => ofTolerance <= 1);
    return {
      name: this.#config.name,
      passed: within && this.#maskMismatches === 0 && this.#compared > 0,
      updates: this.#config.updates,
      compared: this.#compared,
      maskMismatches: this.#maskMismatches,
      worst: this.#worst,
    };
  }

  #numbers(name: string): Float32Array {
    const tensor = this.#tensors[name];
    if (tensor === undefined) throw new RunError(`The reference has no tensor ${name}`);
    return Float32Array.from(tensor.data as ArrayLike<number>);
  }

  /** The part of a tensor [updates, ...] that belongs to an update. */
  #slice(name: string, update: number): Float32Array {
    const all = this.#numbers(name);
    const length = all.length / this.#config.updates;
    return all.subarray((update - 1) * length, update * length);
  }

  #batch(update: number): TransitionBatch {
    return {
      observation: this.#slice('batch.obs', update),
      action: this.#slice('batch.action', update),
      reward: this.#slice('batch.reward', update),
      nextObservation: this.#slice('batch.next_obs', update),
      terminated: this.#slice('batch.done', update),
    };
  }

  #compareScalars(update: number): void {
    for (const [name, values] of Object.entries(this.#agent.trace())) {
      const tensor = name === 'target' ? 'y' : name;
      const expected = this.#slice(`trace.${tensor}`, update);
      this.#compare('scalars', `${tensor} of update ${update}`, expected, values);
    }
    const metrics = this.#agent.metrics();
    // Values of Q that cancel in a mean leave their rounding there.
    const q = Math.max(
      ...['q1', 'q2', 'y'].map((name) => largest(this.#slice(`trace.${name}`, update))),
    );
    for (const [tensor, metric] of Object.entries(scalarMetrics)) {
      if (metric === 'actorLoss' && this.#slice('scalar.actor_updated', update)[0] !== 1) continue;
      const expected = this.#slice(`scalar.${tensor}`, update);
      const scale = metric === 'criticLoss' ? largest(expected) : q;
      const where = `${metric} of update ${update}`;
      this.#compare('scalars', where, expected, [metrics[metric] ?? NaN], scale);
    }
  }

  #compareMask(expected: Float32Array, received: Float32Array): void {
    this.#compared += expected.length;
    expected.forEach((entry, i) => {
      if (entry !== received[i]) this.#maskMismatches++;
    });
  }

  #compare(
    kind: DeviationKind,
    where: string,
    expected: Float32Array,
    received: ArrayLike<number>,
    scale = largest(expected),
  ): void {
    this.#compared += expected.length;
    const allowed = this.#tolerance[kind] * scale;
    expected.forEach((value, i) => {
      const error = Math.abs((received[i] ?? NaN) - value);
      // Where all is 0, so it has to be here.
      const ratio = error === 0 ? 0 : error / allowed;
      // A NaN is the worst there is: it must not slip through a comparison.
      const ofTolerance = Number.isNaN(ratio) ? Infinity : ratio;
      if (ofTolerance > this.#worst[kind].ofTolerance) {
        this.#worst[kind] = { ofTolerance, error, where };
      }
    });
  }
}

function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

function kindOf({ part }: StatePlace): DeviationKind {
  if (part.endsWith('Moment1')) return 'moment1';
  return part.endsWith('Moment2') ? 'moment2' : 'weights';
}
