/** When and how the masks of the six networks are chosen anew. */
import type { Mlp } from '../device/index.js';
import type { ScheduleName, Td3Config } from './config.js';
import type { Td3Networks } from './networks.js';
import type { Schedule } from './schedule.js';

/** Networks whose backward passes shall give the gradients of dormant weights too. */
export interface DormantGradients {
  actor: boolean;
  critics: boolean;
}

/** What a run goes on with, besides the networks. */
export interface MaskProgress {
  lastMaskUpdate: number;
  /** The actor's latest update gave the gradients of its dormant weights. */
  actorGradient: boolean;
  /** Mask entries that the last mask update changed; undefined before the first. */
  maskChanges?: MaskChanges | undefined;
}

interface MaskChanges {
  actor: number;
  critics: number;
}

/** What is drawn under `maskRule` random lies above smoothing noise: a stream for each update and network. */
const swapStream = { actor: 2 ** 41, critics: 2 ** 42 };

export class MaskUpdates {
  readonly #config: Td3Config;
  readonly #schedules: Pick<Record<ScheduleName, Schedule>, 'maskInterval' | 'dropFraction'>;
  readonly #networks: Td3Networks;
  #last = 0;
  #actorGradient = false;
  #changes: MaskChanges | undefined;

  constructor(config: Td3Config, schedules: Record<ScheduleName, Schedule>, networks: Td3Networks) {
    this.#config = config;
    this.#schedules = schedules;
    this.#networks = networks;
  }

  /** What is to be saved with a state. */
  get progress(): MaskProgress {
    return {
      lastMaskUpdate: this.#last,
      actorGradient: this.#actorGradient,
      maskChanges: this.#changes,
    };
  }

  set progress({ lastMaskUpdate, actorGradient, maskChanges }: MaskProgress) {
    this.#last = lastMaskUpdate;
    this.#actorGradient = actorGradient;
    this.#changes = maskChanges;
  }

  /** For metrics: mask entries that the last mask update changed. Nothing before the first. */
  get figures(): Record<string, number> {
    if (this.#changes === undefined) return {};
    const { actor, critics } = this.#changes;
    return { 'maskChanges/actor': actor, 'maskChanges/critics': critics };
  }

  /**
   * Under `maskRule` gradient masks follow the gradients of each network's latest update. The critics' is the
   * one after which masks change; the actor's may have come up to `policyDelay - 1` updates before it.
   *
   * @param update the number of the update to come, from 1
   * @param step the environment step
   * @param withActor whether the actor takes part in it
   */
  gradientsFor(update: number, step: number, withActor: boolean): DormantGradients {
    if (this.#config.maskRule !== 'gradient') return { actor: false, critics: false };
    const critics = this.#isDue(update, step);
    if (!withActor) return { actor: false, critics };
    const until = Array.from({ length: this.#config.policyDelay }, (_, later) => later);
    const actor = until.some((later) => this.#isDue(update + later, step + later));
    return { actor, critics };
  }

  /**
   * Choose masks anew if `maskInterval` updates have passed: of online networks first, then of targets.
   *
   * @param actorGradient whether the update gave gradients of the actor's dormant weights; undefined if the actor
   *   took no part in it
   */
  after(update: number, step: number, actorGradient: boolean | undefined): void {
    this.#actorGradient = actorGradient ?? this.#actorGradient;
    if (!this.#isDue(update, step)) return;
    this.#last = update;
    this.#decay();
    this.#changes = {
      actor: this.#updateOnline('actor', update, step),
      critics: this.#updateOnline('critics', update, step),
    };
    const { actor, actorTarget, critics, criticTargets } = this.#networks;
    this.#updateTarget(actorTarget, actor);
    this.#updateTarget(criticTargets, critics);
  }

  #isDue(update: number, step: number): boolean {
    return update - this.#last >= this.#schedules.maskInterval.at(step);
  }

  /** Dormant weights lose size, and with it the chance to come back unlearned. */
  #decay(): void {
    const { dormantDecay } = this.#config;
    if (dormantDecay === 1) return;
    for (const network of Object.values(this.#networks) as Mlp[])
      network.scaleDormant(dormantDecay);
  }

  #updateOnline(name: 'actor' | 'critics', update: number, step: number): number {
    const { maskRule: rule, seed } = this.#config;
    const network = this.#networks[name];
    if (rule === 'magnitude') return network.updateMasks();
    // Before its first update the actor has no gradients to follow.
    if (rule === 'gradient' && name === 'actor' && !this.#actorGradient) return 0;
    const dropFraction = this.#schedules.dropFraction.at(step);
    return network.updateMasks({ rule, dropFraction, seed, stream: swapStream[name] + update });
  }

  /** From its own weights, or following the online network. */
  #updateTarget(target: Mlp, online: Mlp): void {
    if (this.#config.targetMask === 'follow') target.followMasks(online);
    else target.updateMasks();
  }
}
