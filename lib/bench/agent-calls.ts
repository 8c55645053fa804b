/** Times the calls of an agent's update one by one, without the agent knowing. */
import type { Mlp } from '../device/index.js';
import type { Td3Agent } from '../td3/agent.js';

/** Kinds of calls within an update, in the order of the algorithm. */
export const phases = [
  'sample',
  'targetActor',
  'smoothing',
  'targetCritics',
  'criticForward',
  'criticLoss',
  'criticBackward',
  'criticAdam',
  'actorForward',
  'policyValue',
  'actionGradient',
  'actorBackward',
  'actorAdam',
  'polyak',
  'masks',
] as const;

export type Phase = (typeof phases)[number];

/** Seconds and number of the calls of each kind since it was made or reset. */
export class CallTimes {
  readonly seconds = new Map<Phase, number>();
  readonly calls = new Map<Phase, number>();

  add(phase: Phase, seconds: number): void {
    this.seconds.set(phase, (this.seconds.get(phase) ?? 0) + seconds);
    this.calls.set(phase, (this.calls.get(phase) ?? 0) + 1);
  }

  reset(): void {
    this.seconds.clear();
    this.calls.clear();
  }

  /** Seconds in all calls together. */
  get total(): number {
    return [...this.seconds.values()].reduce((sum, seconds) => sum + seconds, 0);
  }
}

/**
 * From now on add up how long this agent's calls into its networks, replay buffer and device take.
 *
 * The methods of these very objects are covered by ones that look at the clock; other agents and
 * the classes stay as they are, so that nothing is paid where nothing is measured.
 */
export function timeCalls(agent: Td3Agent): CallTimes {
  const times = new CallTimes();
  const { actor, actorTarget, critics, criticTargets } = agent.networks;
  const { device, replay } = agent;
  const cover: Cover = (object, name, phase) => coverMethod(object, name, phase, times);

  cover(replay, 'sample', 'sample');
  cover(device, 'smooth', 'smoothing');
  cover(device, 'tdGradient', 'criticLoss');
  cover(actorTarget, 'forward', 'targetActor');
  cover(criticTargets, 'forward', 'targetCritics');
  cover(actor, 'forward', 'actorForward');
  cover(actor, 'backward', 'actorBackward');
  cover(actor, 'adam', 'actorAdam');
  // The actor's step goes through one critic only, and wants the gradient of its input.
  const isPolicy = (options: unknown) => (options as { members?: object })?.members !== undefined;
  cover(critics, 'forward', (args) => (isPolicy(args[2]) ? 'policyValue' : 'criticForward'));
  cover(critics, 'backward', (args) => (isPolicy(args[1]) ? 'actionGradient' : 'criticBackward'));
  cover(critics, 'adam', 'criticAdam');
  cover(device, 'polyak', 'polyak');
  for (const network of [actor, actorTarget, critics, criticTargets]) {
    coverMasks(network, cover);
  }
  return times;
}

type PhaseOf = Phase | ((args: readonly unknown[]) => Phase);
type Cover = <T extends object>(object: T, name: keyof T, phase: PhaseOf) => void;

function coverMasks(network: Mlp, cover: Cover): void {
  cover(network, 'updateMasks', 'masks');
  cover(network, 'followMasks', 'masks');
}

function coverMethod<T extends object>(
  object: T,
  name: keyof T,
  phase: PhaseOf,
  times: CallTimes,
): void {
  const method = object[name] as (...args: unknown[]) => unknown;
  const covering = (...args: unknown[]): unknown => {
    const start = performance.now();
    const result = method.apply(object, args);
    times.add(typeof phase === 'string' ? phase : phase(args), (performance.now() - start) / 1e3);
    return result;
  };
  Object.defineProperty(object, name, { value: covering, configurable: true });
}
