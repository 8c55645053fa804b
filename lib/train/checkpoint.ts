/** Checkpoints: an agent's whole state as one safetensors file. */
import { RunError } from '../errors.js';
import { decodeSafetensors, encodeSafetensors } from './formats/safetensors.js';
import { packageVersion } from './package-version.js';
import type { AgentState, TrainableAgent } from './trainable.js';

const checkpointFormat = 'rnm-td3-checkpoint/1';
/** Sets the agent's own metadata apart from the checkpoint's. */
const agentPrefix = 'agent.';

/** What a checkpoint holds. */
export interface Checkpoint {
  /** Version of the package that wrote it. */
  version: string;
  /** The agent's resolved hyperparameters. */
  config: Record<string, unknown>;
  /** Transitions the agent had observed. */
  steps: number;
  /** Updates it had made. */
  updates: number;
  /** For `agent.loadState`. */
  state: AgentState;
}

/** Write an agent's state as the bytes of a checkpoint file. */
export function encodeCheckpoint(agent: TrainableAgent): Uint8Array {
  const { tensors, metadata } = agent.state();
  const ofAgent = Object.entries(metadata).map(([key, value]) => [agentPrefix + key, value]);
  return encodeSafetensors(tensors, {
    format: checkpointFormat,
    version: packageVersion,
    config: JSON.stringify(agent.config),
    steps: String(agent.steps),
    updates: String(agent.updates),
    ...(Object.fromEntries(ofAgent) as Record<string, string>),
  });
}

/**
 * Read the bytes of a checkpoint file. Make an agent from its `config`, then give its `state` to
 * the agent's `loadState`.
 *
 * @param sourceName what error messages call it, usually its path
 * @throws RunError when it is damaged or no checkpoint
 */
export function decodeCheckpoint(bytes: Uint8Array, sourceName = 'the checkpoint'): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(bytes, sourceName);
  const { format, version = 'unknown', config = '', steps = '', updates = '' } = metadata;
  if (format !== checkpointFormat) {
    throw new RunError(
      `Expected ${sourceName} to have format "${checkpointFormat}" but received ` +
        `${JSON.stringify(format)}. It is no checkpoint, or one of another version of rnm-td3`,
    );
  }
  const ofAgent = Object.entries(metadata)
    .filter(([key]) => key.startsWith(agentPrefix))
    .map(([key, value]) => [key.slice(agentPrefix.length), value]);
  return {
    version,
    config: parseConfig(config, sourceName),
    steps: parseCount('steps', steps, sourceName),
    updates: parseCount('updates', updates, sourceName),
    state: { tensors, metadata: Object.fromEntries(ofAgent) as Record<string, string> },
  };
}

function parseConfig(text: string, sourceName: string): Record<string, unknown> {
  try {
    const config: unknown = JSON.parse(text);
    if (typeof config === 'object' && config !== null) return config as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw damaged(sourceName, 'config', 'a JSON object', text);
}

function parseCount(name: string, text: string, sourceName: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw damaged(sourceName, name, 'a count', text);
}

function damaged(sourceName: string, name: string, expected: string, text: string): RunError {
  return new RunError(
    `Expected ${name} in ${sourceName} to be ${expected} but received ${JSON.stringify(text)}. ` +
      'The file is damaged: use another checkpoint',
  );
}
