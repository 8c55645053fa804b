/** Mask rules as the agent uses them: when, with whose gradients, and what becomes of a saved state. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { Td3Agent } from '../../lib/td3/agent.js';
import type { Mlp, Td3Options } from '../../lib/index.js';
import { deviation, randomSource } from '../device/reference.js';
import { onCpu, testDevice } from '../device/support.js';

const base: Td3Options = {
  observationSize: 5,
  actionSize: 2,
  actionLow: -1,
  actionHigh: 1,
  hiddenSizes: [24, 20],
  batchSize: 16,
  bufferSize: 500,
  learningStarts: 30,
  learningRate: 0.01,
  sparsity: '1:4',
  sparseLayers: 'all',
  device: testDevice,
  threads: 1,
  seed: 7,
};

const agents: Td3Agent[] = [];
afterEach(() => agents.splice(0).forEach((agent) => agent.close()));
function makeAgent(options: Partial<Td3Options> = {}): Td3Agent {
  const agent = new Td3Agent({ ...base, ...options });
  agents.push(agent);
  return agent;
}

function observeRandom(agent: Td3Agent, count: number): void {
  const random = randomSource(1);
  const vector = (length: number) => Array.from({ length }, () => 2 * random() - 1);
  for (let i = 0; i < count; i++) {
    const [observation, action, nextObservation] = [vector(5), vector(2), vector(5)];
    const [reward, terminated] = [random(), random() < 0.1];
    agent.observe({ observation, action, reward, nextObservation, terminated });
  }
}

function trained(options: Partial<Td3Options>, updates: number): Td3Agent {
  const agent = makeAgent(options);
  observeRandom(agent, 60);
  for (let i = 0; i < updates; i++) agent.learn();
  return agent;
}

/** The places of a layer that an update makes active, and those that it makes dormant. */
function changesOf(mlp: Td3Agent['networks']['actor'], layer: number, update: () => void) {
  const before = mlp.read(layer, 'mask');
  update();
  const after = mlp.read(layer, 'mask');
  const places = [...before.keys()];
  return {
    grown: places.filter((i) => after[i]! > before[i]!),
    dropped: places.filter((i) => after[i]! < before[i]!),
  };
}

describe('swaps', () => {
  test.each(['gradient', 'random'] as const)(
    '%s: the asked share of groups, new weights are 0, targets follow',
    (maskRule) => {
      const agent = trained({ maskRule, dropFraction: 0.25, maskInterval: 6 }, 5);
      const { actor, critics } = agent.networks;
      const { grown, dropped } = changesOf(critics, 1, () => agent.learn());
      // A hidden layer of a critic has 20 x 6 groups.
      expect(grown).toHaveLength(30);
      expect(dropped).toHaveLength(30);
      const groups = (places: number[]) => places.map((i) => Math.floor(i / 4));
      expect(groups(grown)).toEqual(groups(dropped).toSorted((a, b) => a - b));
      const weights = critics.read(1, 'weight');
      for (const i of [...grown, ...dropped]) expect(weights[i]).toBe(0);
      const metrics = agent.metrics();
      expect(metrics['maskChanges/actor']).toBeGreaterThan(0);
      for (const name of ['actor', 'critic1', 'critic2']) expect(metrics[`sad/${name}`]).toBe(0);
      expect(agent.networks.actorTarget.divergence(actor)).toBe(0);
    },
  );

  test('gradient: the dormant weight with the largest gradient of this update grows', () => {
    const agent = trained({ maskRule: 'gradient', dropFraction: 1, maskInterval: 6 }, 5);
    const { critics } = agent.networks;
    const before = critics.read(1, 'mask');
    const { grown } = changesOf(critics, 1, () => agent.learn());
    const gradient = critics.read(1, 'dormantGradient').map(Math.abs);
    expect(grown).toHaveLength(120);
    for (const place of grown) {
      const group = Array.from({ length: 4 }, (_, i) => place - (place % 4) + i);
      const dormant = group.filter((i) => before[i] === 0);
      expect(gradient[place]).toBe(Math.max(...dormant.map((i) => gradient[i]!)));
    }
  });

  test('dropFraction may be an expression of the step', () => {
    const agent = trained(
      { maskRule: 'random', dropFraction: 't >= 60 ? 0 : 1', maskInterval: 2 },
      2,
    );
    expect(agent.metrics()['maskChanges/critics']).toBe(0);
  });

  test('random: another seed draws other columns, the same one the same', () => {
    const masks = (seed: number) => {
      const agent = trained({ maskRule: 'random', dropFraction: 1, maskInterval: 2, seed }, 2);
      return agent.networks.actor.read(1, 'mask');
    };
    expect(masks(3)).toEqual(masks(3));
    expect(masks(3)).not.toEqual(masks(4));
  });

  test('an interval of one update: the actor waits for its first gradients, and keeps the latest', () => {
    const agent = trained({ maskRule: 'gradient', maskInterval: 1 }, 1);
    expect(agent.metrics()['maskChanges/actor']).toBe(0);
    expect(agent.metrics()['maskChanges/critics']).toBeGreaterThan(0);
    for (let update = 0; update < 2; update++) {
      agent.learn();
      expect(agent.metrics()['maskChanges/actor']).toBeGreaterThan(0);
    }
  });

  test('an update that is refused does not count as one that gave gradients', () => {
    const agent = trained({ maskRule: 'gradient', maskInterval: 7, policyDelay: 3 }, 5);
    expect(() => agent.learn({} as never)).toThrow(/observation/);
    expect(Object.keys(agent.state().tensors).filter((name) => name.endsWith('.g'))).toEqual([]);
    agent.learn();
    agent.learn();
    expect(agent.metrics()['maskChanges/actor']).toBeGreaterThan(0);
  });

  test('dense gradients are computed in no other updates', () => {
    const agent = trained({ maskRule: 'gradient', maskInterval: 7 }, 5);
    const { actor, critics } = agent.networks;
    expect(() => critics.updateMasks({ rule: 'gradient' })).toThrow(
      /before a mask update by gradient/,
    );
    // The sixth is the actor's last update before the seventh, after which masks change.
    agent.learn();
    const ofActor = actor.read(1, 'dormantGradient');
    expect(ofActor.some((value) => value !== 0)).toBe(true);
    agent.learn();
    expect(actor.read(1, 'dormantGradient')).toEqual(ofActor);
    expect(critics.read(1, 'dormantGradient').some((value) => value !== 0)).toBe(true);
  });

  test.each(['ste', 'sr-ste', 'masked'] as const)(
    '%s keeps its pattern in all networks',
    (rule) => {
      for (const maskShape of ['row', 'transposable'] as const) {
        const options = {
          gradientRule: rule,
          maskRule: 'gradient',
          maskShape,
          maskInterval: 2,
        } as const;
        const agent = trained(options, 9);
        expect(agent.metrics()['maskChanges/actor']).toBeGreaterThan(0);
        const copy = makeAgent(options);
        // A state with masks that do not fit pattern or shape would be refused.
        copy.loadState(agent.state());
        expect(copy.state().tensors).toEqual(agent.state().tensors);
      }
    },
  );
});

describe('a saved state goes on bit for bit', () => {
  const rules: Partial<Td3Options>[] = [
    { maskRule: 'gradient', maskInterval: 7, policyDelay: 3 },
    { maskRule: 'gradient', maskInterval: 7, policyDelay: 3, gradientRule: 'sr-ste' },
    { maskRule: 'gradient', maskInterval: '5 + t / 60', policyDelay: 2, maskShape: 'transposable' },
    { maskRule: 'random', maskInterval: 3 },
    { dormantDecay: 0.5, newMoment: 'row-mean', maskInterval: 3 },
    { densityPower: 0.5, sparsity: 'dense,1:4,2:4', actorLearningRate: 1e-3, maskInterval: 3 },
    {
      initialScale: 'variance',
      sparseLayers: 'by-inputs',
      criticLearningRate: '1e-3 * 2 ^ (-t / 50)',
    },
  ];

  test.each(rules)('%p', (options) => {
    for (const updates of [5, 6, 7, 8]) {
      const whole = trained(options, updates);
      const copy = makeAgent(options);
      copy.loadState(whole.state({ replay: true }));
      for (const agent of [whole, copy]) for (let i = 0; i < 9; i++) agent.learn();
      expect(copy.state().tensors).toEqual(whole.state().tensors);
      closeAll();
    }
  });
  const closeAll = () => agents.splice(0).forEach((agent) => agent.close());

  test("the actor's gradients are in it only while a mask update may follow them", () => {
    const options = { maskRule: 'gradient', maskInterval: 7, policyDelay: 3 } as const;
    const gradients = (updates: number) =>
      Object.keys(trained(options, updates).state().tensors).filter((name) => name.endsWith('.g'));
    expect(gradients(5)).toEqual([]);
    expect(gradients(6)).toEqual(['actor.0.weight.g', 'actor.1.weight.g', 'actor.2.weight.g']);
    expect(gradients(9)).toEqual([]);
  });

  test('a state without those gradients is refused', () => {
    const options = { maskRule: 'gradient', maskInterval: 7, policyDelay: 3 } as const;
    const state = trained(options, 6).state();
    delete state.tensors['actor.1.weight.g'];
    expect(() => makeAgent(options).loadState(state)).toThrow(/tensor actor.1.weight.g/);
  });
});

describe('other options of sparse networks', () => {
  test('dormant weights that decay to nothing never come back', () => {
    const agent = trained({ dormantDecay: 0, maskInterval: 2, learningRate: 0.02 }, 12);
    for (const mlp of Object.values(agent.networks) as Mlp[]) {
      const mask = mlp.read(1, 'mask');
      const dormant = mlp.read(1, 'weight').filter((_, i) => mask[i] === 0);
      expect(dormant.every((weight) => weight === 0)).toBe(true);
    }
    expect(agent.metrics()['maskChanges/critics']).toBe(0);
    expect(agent.metrics()['sad/critic1']).toBe(0);
    const usual = trained({ maskInterval: 2, learningRate: 0.02 }, 12);
    expect(usual.metrics()['maskChanges/critics']).toBeGreaterThan(0);
  });

  test('actor and critics have rates of their own', () => {
    const agent = trained({ actorLearningRate: 0, learningRate: 0.01 }, 0);
    const { actor, critics } = agent.networks;
    const before = [actor.read(1, 'weight'), critics.read(1, 'weight')];
    agent.learn();
    agent.learn();
    expect(deviation(actor.read(1, 'weight'), before[0]!)).toBe(0);
    expect(deviation(critics.read(1, 'weight'), before[1]!)).toBeGreaterThan(0);
    expect(agent.metrics()).toMatchObject({ actorLearningRate: 0, criticLearningRate: 0.01 });
  });

  test('the first step of Adam is the rate times (M/N)^p for weights of sparse layers alone', () => {
    const options = { sparsity: 'dense,1:4,2:4', densityPower: 0.5, learningRate: 1e-3 };
    const agent = trained(options, 0);
    const { critics } = agent.networks;
    const read = (part: 'weight' | 'bias') => [0, 1, 2].map((layer) => critics.read(layer, part));
    const before = { weight: read('weight'), bias: read('bias') };
    agent.learn();
    // Each step is the rate, but for what epsilon takes from small gradients.
    const largest = (part: 'weight' | 'bias') =>
      read(part).map((values, layer) => {
        const steps = values.map((value, i) => Math.abs(value - before[part][layer]![i]!));
        return Math.max(...steps);
      });
    const expected = { weight: [1, 2, Math.SQRT2], bias: [1, 1, 1] };
    for (const part of ['weight', 'bias'] as const) {
      largest(part).forEach((step, layer) => {
        expect(step / 1e-3).toBeCloseTo(expected[part][layer]!, 2);
      });
    }
  });

  test('units that are always off, and actions at their limits, show in the metrics', () => {
    const agent = trained({ sparsity: 'dense', maskInterval: 100 }, 2);
    const idle = () => agent.metrics()['idleUnits/actor']!;
    const before = idle();
    const bias = agent.networks.actor.read(0, 'bias');
    agent.networks.actor.write(0, 'bias', bias.fill(-1000, 0, 24));
    agent.learn();
    agent.learn();
    expect(before).toBeLessThan(20);
    expect(idle()).toBeGreaterThanOrEqual(24);
    expect(agent.metrics()['actionsAtLimits']).toBe(0);
    agent.networks.actor.write(2, 'bias', [50, 0]);
    for (let i = 0; i < 3000; i++) agent.act(new Float32Array(5), { explore: true });
    expect(agent.metrics()['actionsAtLimits']).toBeCloseTo(0.5, 1);
  });

  test.each([1, 2, 3])('%p threads: the same masks and weights', (threads) => {
    if (!onCpu) return;
    const options: Partial<Td3Options> = {
      maskRule: 'gradient',
      maskInterval: 3,
      hiddenSizes: [96, 64],
    };
    const one = trained({ ...options, threads: 1 }, 9).state().tensors;
    expect(trained({ ...options, threads }, 9).state().tensors).toEqual(one);
  });
});
