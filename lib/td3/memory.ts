/** What a training run takes of the memory. */
import { networkBytes } from '../device/memory.js';
import type { NetworkShape } from '../device/memory.js';
import type { MemoryNeed } from '../memory.js';
import type { Td3Config } from './config.js';
import { networkOptions } from './networks.js';

export { availableMemory, checkMemory } from '../memory.js';

const bytesPerNumber = 4;

/** What an update computes in: the batch, and activations with their gradients of three networks. */
export function batchNeed(
  config: Pick<Td3Config, 'batchSize' | 'hiddenSizes' | 'observationSize' | 'actionSize'>,
): MemoryNeed {
  const { batchSize, hiddenSizes, observationSize, actionSize } = config;
  const hidden = hiddenSizes.reduce((sum, width) => sum + width, 0);
  const numbers = 2 * (observationSize + actionSize) + 3 * 2 * hidden;
  return { what: 'batches (batchSize)', bytes: batchSize * numbers * bytesPerNumber };
}

/** The six networks, with the moments and gradients of those that learn. */
export function networksNeed(config: Td3Config): MemoryNeed {
  const { actor, critics } = networkOptions(config);
  const learnsDormant = config.gradientRule !== 'masked';
  const bytes = [actor, critics].flatMap(({ sizes, patterns = [], members = 1 }) => {
    const shape = { sizes, patterns, members, learnsDormant };
    const roles: NetworkShape['role'][] = ['online', 'target'];
    return roles.map((role) => networkBytes({ ...shape, role }));
  });
  const total = bytes.reduce((sum, each) => sum + each, 0);
  return { what: 'networks (hiddenSizes)', bytes: total };
}

/** A replay buffer that holds `transitions`. */
export function replayNeed(
  transitions: number,
  { observationSize, actionSize }: Pick<Td3Config, 'observationSize' | 'actionSize'>,
): MemoryNeed {
  const numbers = 2 * observationSize + actionSize + 2;
  return { what: 'the replay buffer (bufferSize)', bytes: transitions * numbers * bytesPerNumber };
}
