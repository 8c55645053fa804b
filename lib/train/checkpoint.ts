/** Checkpoints: an agent's whole state, and that of its run, as one safetensors file with a checksum. */
import { RunError } from '../errors.js';
import { withFile } from './file-source.js';
import { joinBytes, sourceOfBytes } from './formats/safetensors.js';
import type { ByteSource } from './formats/safetensors.js';
import { readSealed, sealedPieces } from './formats/sealed-safetensors.js';
import { packageVersion } from './package-version.js';
import { decodeRunState, encodeRunState, isRunTensor } from './run-state.js';
import type { RunState } from './run-state.js';
import type { AgentState, TrainableAgent } from './trainable.js';

const checkpointFormat = 'rnm-td3-checkpoint/2';
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
  /** Of the run that wrote it; undefined in a checkpoint of an agent alone. */
  run?: RunState | undefined;
}

/**
 * Write an agent's state, without its replay buffer, as the bytes of a checkpoint file.
 *
 * @throws InvalidValueError for an agent without state
 */
export function encodeCheckpoint(agent: TrainableAgent): Uint8Array {
  return joinBytes(checkpointPieces(agent));
}

/**
 * The bytes of a checkpoint in pieces, for files that are too large for one array.
 *
 * @param run of the run that goes on from it; with rows in its replay buffer they are kept apart
 */
export function checkpointPieces(agent: TrainableAgent, run?: RunState): Uint8Array[] {
  const isResumable = run !== undefined && run.replayAdded !== null;
  const { tensors, metadata } = agent.state(isResumable ? { replay: 'apart' } : {});
  const ofAgent = Object.entries(metadata).map(([key, value]) => [agentPrefix + key, value]);
  const ofRun = run && encodeRunState(run);
  return sealedPieces(
    { ...tensors, ...ofRun?.tensors },
    {
      format: checkpointFormat,
      version: packageVersion,
      config: JSON.stringify(agent.config),
      steps: String(agent.steps),
      updates: String(agent.updates),
      ...(ofRun && { run: ofRun.text }),
      ...(Object.fromEntries(ofAgent) as Record<string, string>),
    },
  );
}

/**
 * Read the bytes of a checkpoint file. Make an agent from its `config`, then give its `state` to
 * the agent's `loadState`.
 *
 * @param sourceName what error messages call it, usually its path
 * @throws RunError when it is damaged or no checkpoint
 */
export function decodeCheckpoint(bytes: Uint8Array, sourceName = 'the checkpoint'): Checkpoint {
  return decodeFrom(sourceOfBytes(bytes), sourceName);
}

/**
 * Read a checkpoint file of any size.
 *
 * @throws RunError as `decodeCheckpoint`, or when it cannot be read
 */
export function readCheckpointFile(path: string): Checkpoint {
  return withFile(path, (source) => decodeFrom(source, path));
}

function decodeFrom(source: ByteSource, sourceName: string): Checkpoint {
  const { tensors, metadata } = readSealed(source, sourceName, ({ format }) => {
    if (format === checkpointFormat) return;
    throw new RunError(
      `Expected ${sourceName} to have format "${checkpointFormat}" but received ` +
        `${JSON.stringify(format)}. It is no checkpoint, or one of another version of rnm-td3`,
    );
  });
  const { version = 'unknown', config = '', steps = '', updates = '', run } = metadata;
  const ofAgent = Object.entries(metadata)
    .filter(([key]) => key.startsWith(agentPrefix))
    .map(([key, value]) => [key.slice(agentPrefix.length), value]);
  const agentTensors = Object.entries(tensors).filter(([name]) => !isRunTensor(name));
  return {
    version,
    config: parseConfig(config, sourceName),
    steps: parseCount('steps', steps, sourceName),
    updates: parseCount('updates', updates, sourceName),
    state: {
      tensors: Object.fromEntries(agentTensors),
      metadata: Object.fromEntries(ofAgent) as Record<string, string>,
    },
    run: run === undefined ? undefined : decodeRunState(run, tensors, sourceName),
  };
}

function parseConfig(text: string, sourceName: string): Record<string, unknown> {
  try {
    const config: unknown = JSON.parse(text);
    if (typeof config === 'object' && config !== null && !Array.isArray(config)) {
      return config as Record<string, unknown>;
    }
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
