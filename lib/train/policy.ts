/** `policy.safetensors`: the trained policy for other programs. */
import { encodeSafetensors } from './formats/safetensors.js';
import type { SafeTensor } from './formats/safetensors.js';
import { packageVersion } from './package-version.js';
import type { PolicyNetwork } from './trainable.js';

/** Where a policy comes from. */
export interface PolicyOrigin {
  /** Task it was trained on. */
  env: string;
  /** Pattern of the networks, e.g. "1:4" or "dense". */
  sparsity: string;
  /** Environment steps of training. */
  steps: number;
  /** Mean return of the evaluation of this very policy, if there was one. */
  evaluationReturn?: number | undefined;
  /** The seed and the number of its episodes, with which `evaluate` repeats it. */
  evaluationSeed?: number | undefined;
  evaluationEpisodes?: number | undefined;
}

/**
 * The strings stored with an exported policy, in safetensors and ONNX alike: `format` is "pt",
 * which says that names and layouts are PyTorch's.
 */
export function policyMetadata(
  policy: PolicyNetwork,
  origin: PolicyOrigin,
): Record<string, string> {
  const last = policy.layers.length - 1;
  return {
    format: 'pt',
    producer: `rnm-td3 ${packageVersion}`,
    env: origin.env,
    sparsity: origin.sparsity,
    steps: String(origin.steps),
    ...given('evaluation_return', origin.evaluationReturn),
    ...given('evaluation_seed', origin.evaluationSeed),
    ...given('evaluation_episodes', origin.evaluationEpisodes),
    observation_size: String(policy.layers[0]?.inSize ?? 0),
    action_size: String(policy.actionLow.length),
    action_low: JSON.stringify([...policy.actionLow]),
    action_high: JSON.stringify([...policy.actionHigh]),
    usage:
      'x = observation; for i in 0..' +
      `${last}: x = x @ actor.i.weight.T + actor.i.bias, with relu after each but the last; ` +
      'action = (action_high + action_low) / 2 + (action_high - action_low) / 2 * tanh(x)',
  };
}

function given(name: string, value: number | undefined): Record<string, string> {
  return value === undefined ? {} : { [name]: String(value) };
}

/** What a policy's origin says of the evaluation that it had. */
export function evaluationOrigin(
  evaluation: { mean: number; seed: number; returns: readonly number[] } | undefined,
): Pick<PolicyOrigin, 'evaluationReturn' | 'evaluationSeed' | 'evaluationEpisodes'> {
  if (evaluation === undefined) return {};
  const { mean, seed, returns } = evaluation;
  return { evaluationReturn: mean, evaluationSeed: seed, evaluationEpisodes: returns.length };
}

/**
 * Write a policy as safetensors: `actor.0.weight` [out, in] with masked weights as zeros,
 * `actor.0.bias` [out], and so on, float32.
 *
 * @returns the bytes of the file
 */
export function encodePolicy(policy: PolicyNetwork, origin: PolicyOrigin): Uint8Array {
  const tensors: Record<string, SafeTensor> = {};
  policy.layers.forEach(({ weight, bias, inSize, outSize }, i) => {
    tensors[`actor.${i}.weight`] = { dtype: 'F32', shape: [outSize, inSize], data: weight };
    tensors[`actor.${i}.bias`] = { dtype: 'F32', shape: [outSize], data: bias };
  });
  return encodeSafetensors(tensors, policyMetadata(policy, origin));
}
