/** The six networks of TD3 as three ensembles and their targets, all row-wise N:M sparse. */
import type { Device, Mlp, MlpOptions } from '../device/index.js';
import type { Td3Config } from './config.js';
import { formatPatterns, layerPatterns } from './pattern.js';

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

/** What all networks of an agent share. */
function commonOptions(config: Td3Config) {
  const { maskShape, gradientRule, srLambda, seed } = config;
  const { densityPower, initialScale, newMoment } = config;
  return { maskShape, gradientRule, srLambda, seed, densityPower, initialScale, newMoment };
}

function actorSizes({ observationSize, hiddenSizes, actionSize }: Td3Config): number[] {
  return [observationSize, ...hiddenSizes, actionSize];
}

function criticSizes({ observationSize, hiddenSizes, actionSize }: Td3Config): number[] {
  return [observationSize + actionSize, ...hiddenSizes, 1];
}

/** The pattern of each layer of the actor, and of a critic. */
function networkPatterns(config: Td3Config) {
  const { actorSparsity, criticSparsity, sparseLayers } = config;
  return {
    actor: layerPatterns('actorSparsity', actorSparsity, actorSizes(config), sparseLayers),
    critic: layerPatterns('criticSparsity', criticSparsity, criticSizes(config), sparseLayers),
  };
}

/**
 * What the layers have, for names and tables: "1:8", "1:8,1:8,dense", or, where actor and critics differ,
 * "actor dense; critics 1:8".
 */
export function describeSparsity(config: Td3Config): string {
  const { actor, critic } = networkPatterns(config);
  const [ofActor, ofCritics] = [formatPatterns(actor), formatPatterns(critic)];
  return ofActor === ofCritics ? ofActor : `actor ${ofActor}; critics ${ofCritics}`;
}

/** Shape and patterns of the actor. */
export function actorOptions(config: Td3Config): MlpOptions {
  return {
    ...commonOptions(config),
    sizes: actorSizes(config),
    patterns: networkPatterns(config).actor,
    outputRange: {
      low: Float32Array.from(config.actionLow),
      high: Float32Array.from(config.actionHigh),
    },
    stream: initStream.actor,
  };
}

/** Shapes and patterns of the actor and of the ensemble of both critics. */
export function networkOptions(config: Td3Config): { actor: MlpOptions; critics: MlpOptions } {
  const critics: MlpOptions = {
    ...commonOptions(config),
    sizes: criticSizes(config),
    patterns: networkPatterns(config).critic,
    members: 2,
    stream: initStream.critics,
  };
  return { actor: actorOptions(config), critics };
}

/** Make the networks on a device; targets begin as copies of the online ones. */
export function makeNetworks(device: Device, config: Td3Config): Td3Networks {
  const { actor, critics } = networkOptions(config);
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
