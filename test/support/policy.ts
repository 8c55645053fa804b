import type { Random } from '../../lib/random.js';
import { decodeSafetensors } from '../../lib/train/index.js';
import type { PolicyNetwork } from '../../lib/train/index.js';

/** A policy with random weights, half of them zero, and an uneven action range. */
export function randomPolicy(sizes: readonly number[], random: Random): PolicyNetwork {
  const layers = sizes.slice(1).map((outSize, i) => {
    const inSize = sizes[i] ?? 0;
    const scale = 1 / Math.sqrt(inSize);
    const draw = (): number => (random.uniform() < 0.5 ? 0 : scale * random.normal());
    return {
      weight: Float32Array.from({ length: inSize * outSize }, draw),
      bias: Float32Array.from({ length: outSize }, draw),
      inSize,
      outSize,
    };
  });
  const actionSize = sizes.at(-1) ?? 0;
  return {
    layers,
    actionLow: Float32Array.from({ length: actionSize }, (_, i) => -0.4 - i),
    actionHigh: Float32Array.from({ length: actionSize }, (_, i) => 1 + 2 * i),
  };
}

/** What a policy does, in double precision and the plainest words. */
export function forwardPolicy(policy: PolicyNetwork, observation: readonly number[]): number[] {
  let x = [...observation];
  policy.layers.forEach(({ weight, bias, inSize }, layer) => {
    const y = [...bias].map((b, o) =>
      x.reduce((sum, value, i) => sum + value * (weight[o * inSize + i] ?? NaN), b),
    );
    x = layer < policy.layers.length - 1 ? y.map((value) => Math.max(0, value)) : y;
  });
  return x.map((value, i) => {
    const low = policy.actionLow[i] ?? NaN;
    const high = policy.actionHigh[i] ?? NaN;
    return low + ((Math.tanh(value) + 1) / 2) * (high - low);
  });
}

/** The policy in the bytes of a policy.safetensors. */
export function decodePolicy(bytes: Uint8Array): PolicyNetwork {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const count = Object.keys(tensors).length / 2;
  const layers = Array.from({ length: count }, (_, i) => {
    const weight = tensors[`actor.${i}.weight`]!;
    const [outSize = 0, inSize = 0] = weight.shape;
    const bias = tensors[`actor.${i}.bias`]!.data as Float32Array;
    return { weight: weight.data as Float32Array, bias, inSize, outSize };
  });
  const limits = (name: string) => Float32Array.from(JSON.parse(metadata[name] ?? '') as number[]);
  return { layers, actionLow: limits('action_low'), actionHigh: limits('action_high') };
}
