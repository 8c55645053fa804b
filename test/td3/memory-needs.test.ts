/** What does not fit the memory is refused before it is used. */
import { describe, expect, test } from '@jest/globals';
import { Td3Agent } from '../../lib/index.js';
import { availableMemory, batchNeed, checkMemory, replayNeed } from '../../lib/td3/memory.js';

const spaces = { observationSize: 10, actionSize: 3 };

describe('memory', () => {
  test('needs are counted in float32 numbers', () => {
    expect(replayNeed(1000, spaces).bytes).toBe(1000 * 4 * (10 + 3 + 1 + 10 + 1));
    const batch = batchNeed({ ...spaces, batchSize: 100, hiddenSizes: [32, 16] });
    // Two states with actions; activations and their gradients of the actor and both critics.
    expect(batch.bytes).toBe(100 * 4 * (2 * 13 + 2 * 3 * 48));
  });

  test('what is available is some of the machine', () => {
    expect(availableMemory()).toBeGreaterThan(1e6);
    expect(availableMemory()).toBeLessThan(1e15);
  });

  test('needs that fit together pass, others are listed, the largest first', () => {
    const needs = [
      { what: 'batches (batchSize)', bytes: 2e8 },
      { what: 'the replay buffer (bufferSize)', bytes: 3.14e9 },
    ];
    expect(() => checkMemory(needs, 3.34e9)).not.toThrow();
    expect(() => checkMemory(needs, 3.3e9)).toThrow(
      'Not enough memory: 3.3 GB are available, and this takes 3.1 GB for the replay buffer ' +
        '(bufferSize), 0.2 GB for batches (batchSize). Choose smaller ones, or',
    );
  });

  test('an agent on the CPU with batches beyond the memory is refused at once', () => {
    const options = { ...spaces, actionLow: -1, actionHigh: 1, device: 'cpu' } as const;
    expect(() => new Td3Agent({ ...options, batchSize: 2 ** 31 - 1, threads: 1 })).toThrow(
      /^Not enough memory: .* GB are available, and this takes 27,000 GB for batches \(batchSize\)/,
    );
  });
});
