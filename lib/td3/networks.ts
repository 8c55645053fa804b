/** The six networks of TD3 as three ensembles and their targets, all row-wise N:M sparse. */
import type { Device, Mlp, MlpOptions } from '../device/index.js';
import type { Td3Config } from './config.js';
import { parsePattern } from './pattern.js';

/** The networks by role; the twin critics are the two members of one ensemble. */
export interface Td3Networks {
  actor: Mlp;
  actorTarget: Mlp;
  critics: Mlp;
  criticTargets: Mlp;
}

/** One network by its name in states, checkpoints and exports. */
export interface NamedNetwork {
  name: string;
  mlp: Mlp;
  member: number;
}

/** Streams of the initialisation: different weights from one seed. */
const initStream = { actor: 1, critics: 2 };

/** Patterns of a network's layers: all alike, or dense at both ends (`sparseLayers: hidden`). */
function layerPatterns(name: string, pattern: string, layers: number, config: Td3Config) {
  const parsed = parsePattern(name, pattern);
  return Array.from({ length: layers }, (_, i) => {
    const atAnEnd = i === 0 || i === layers - 1;
    return config.sparseLayers === 'hidden' && atAnEnd ? null : parsed;
  });
}

/** What all networks of an agent share. */
function commonOptions({ maskShape, gradientRule, srLambda, seed }: Td3Config) {
  return { maskShape, gradientRule, srLambda, seed };
}

/** Shape and patterns of the actor. */
export function actorOptions(config: Td3Config): MlpOptions {
  const layers = config.hiddenSizes.length + 1;
  return {
    ...commonOptions(config),
    sizes: [config.observationSize, ...config.hiddenSizes, config.actionSize],
    patterns: layerPatterns('actorSparsity', config.actorSparsity, layers, config),
    outputRange: {
      low: Float32Array.from(config.actionLow),
      high: Float32Array.from(config.actionHigh),
    },
    stream: initStream.actor,
  };
}

/** Make the networks on a device; targets begin as copies of the online ones. */
export function makeNetworks(device: Device, config: Td3Config): Td3Networks {
  const layers = config.hiddenSizes.length + 1;
  const actor = actorOptions(config);
  const critics: MlpOptions = {
    ...commonOptions(config),
    sizes: [config.observationSize + config.actionSize, ...config.hiddenSizes, 1],
    patterns: layerPatterns('criticSparsity', config.criticSparsity, layers, config),
    members: 2,
    stream: initStream.critics,
  };
  const networks = {
    actor: device.mlp(actor),
    actorTarget: device.mlp({ ...actor, role: 'target' }),
    critics: device.mlp(critics),
    criticTargets: device.mlp({ ...critics, role: 'target' }),
  };
  networks.actorTarget.copyFrom(networks.actor);
  networks.criticTargets.copyFrom(networks.critics);
  return networks;
}

/** The six networks one by one, under the names that states use. */
export function namedNetworks(networks: Td3Networks): NamedNetwork[] {
  const { actor, actorTarget, critics, criticTargets } = networks;
  return [
    { name: 'actor', mlp: actor, member: 0 },
    { name: 'actor_target', mlp: actorTarget, member: 0 },
    { name: 'critic1', mlp: critics, member: 0 },
    { name: 'critic1_target', mlp: criticTargets, member: 0 },
    { name: 'critic2', mlp: critics, member: 1 },
    { name: 'critic2_target', mlp: criticTargets, member: 1 },
  ];
}
