import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { phases, timeCalls } from '../../lib/bench/agent-calls.js';
import { benchUpdates } from '../../lib/bench/update.js';
import type { UpdateBench } from '../../lib/bench/update.js';
import { makeAgent } from '../../lib/bench/workload.js';

const shape = {
  obs: 7,
  act: 3,
  hidden: 32,
  batch: 32,
  threads: 1,
  gradientRule: 'masked',
  replay: 500,
} as const;
const tiny = { rounds: 1, slotSeconds: 0.01, budgetSeconds: 0.2 };

describe('benchUpdates', () => {
  let bench: UpdateBench;
  beforeAll(async () => {
    const peer = { name: 'twice', run: (units: number) => units * 1e-3 };
    bench = await benchUpdates(shape, ['dense', '1:4'], { ...tiny, peers: [peer] });
  }, 60_000);

  test('has a result for every pattern and peer', () => {
    expect(bench.results.map(({ sparsity }) => sparsity)).toEqual(['dense', '1:4']);
    expect(bench.peers).toMatchObject([{ name: 'twice', msPerUpdate: expect.closeTo(1) }]);
    const [dense] = bench.results;
    expect(dense!.speedup).toEqual({ ratio: 1, low: 1, high: 1 });
    for (const { msPerUpdate, p10, p90, updatesPerSecond, updatesPerSlot } of bench.results) {
      expect(p10).toBeLessThanOrEqual(msPerUpdate);
      expect(p90).toBeGreaterThanOrEqual(msPerUpdate);
      expect(updatesPerSecond * msPerUpdate).toBeCloseTo(1000, 6);
      expect(updatesPerSlot % 2).toBe(0);
    }
  });

  test('the parts of an update sum to the whole', () => {
    for (const { msPerUpdate, breakdown } of bench.results) {
      expect(Object.keys(breakdown).sort()).toEqual([...phases, 'betweenCalls'].sort());
      const parts = Object.values(breakdown);
      expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(msPerUpdate, 9);
      for (const part of parts) expect(part).toBeGreaterThan(0);
      // What is left when every call is counted is little JavaScript.
      expect(breakdown.betweenCalls).toBeLessThan(0.5 * msPerUpdate);
    }
  });

  test('counts bytes', () => {
    const [dense, sparse] = bench.results.map(({ memoryBytes }) => memoryBytes);
    const weights = 7 * 32 + 32 * 32 + 32 * 3 + 32 + 32 + 3;
    expect(dense!.actorTarget).toBe(4 * weights);
    expect(dense!.actor).toBe(4 * 4 * weights);
    expect(sparse!.networks).toBeLessThan(dense!.networks);
    expect(dense!.replay).toBe(500 * (2 * 7 + 3 + 2) * 4);
  });
});

describe('timeCalls', () => {
  const { agent, close } = makeAgent(shape, '1:4');
  afterAll(close);

  test('sees every call of an update once, the delayed ones every second time', () => {
    const other = makeAgent(shape, '1:4');
    const times = timeCalls(agent);
    for (let i = 0; i < 10; i++) agent.learn();
    other.agent.learn();
    other.close();
    const calls = Object.fromEntries(times.calls);
    for (const phase of ['sample', 'smoothing', 'targetActor', 'criticBackward', 'criticAdam']) {
      expect({ [phase]: calls[phase] }).toEqual({ [phase]: 10 });
    }
    const delayed = ['actorForward', 'policyValue', 'actionGradient', 'actorAdam', 'polyak'];
    for (const phase of delayed) {
      expect({ [phase]: calls[phase] }).toEqual({ [phase]: 5 });
    }
    expect(calls['masks']).toBeUndefined();
  });

  test('changes nothing that is computed', () => {
    const plain = makeAgent(shape, '1:4');
    while (plain.agent.updates < agent.updates) plain.agent.learn();
    for (let layer = 0; layer < 3; layer++) {
      const [a, b] = [plain.agent, agent].map((one) => one.networks.actor.read(layer, 'weight'));
      expect(a).toEqual(b);
    }
    plain.close();
  });
});
