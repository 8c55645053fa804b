/**
 * MuJoCo's warnings. It only counts them, in the data of a simulation, and forgets them when that
 * is reset; and to look costs as much as several physics steps. So it is looked when there is a sign
 * of one, before a reset, and now and then.
 */
import type { MainModule, MjData } from '@mujoco/mujoco';

/** Beyond this MuJoCo takes a number for a sign that the physics have blown up (its mjMAXVAL). */
const greatest = 1e10;

/** Calls of `afterSteps` between two looks where there is no sign. */
const interval = 32;

/** Watches one simulation; each kind of warning is told once. */
export class WarningWatch {
  readonly #mujoco: MainModule;
  readonly #data: MjData;
  readonly #tell: (text: string) => void;
  readonly #told = new Set<number>();
  #suspected = false;
  #unseen = 0;

  /** @param tell called with MuJoCo's own text */
  constructor(mujoco: MainModule, data: MjData, tell: (text: string) => void) {
    this.#mujoco = mujoco;
    this.#data = data;
    this.#tell = tell;
  }

  /** Values that a step is to begin with, or under: bad ones are a sign. */
  beforeSteps(values: ArrayLike<number>): void {
    for (let i = 0; i < values.length; i++) {
      if (!(Math.abs(values[i]!) <= greatest)) this.#suspected = true;
    }
  }

  /** @param timeBefore time of the simulation before the steps: where it has gone back is a sign */
  afterSteps(timeBefore: number): void {
    this.#unseen += 1;
    const isDue = this.#suspected || this.#unseen >= interval;
    if (isDue || this.#data.time <= timeBefore) this.look();
  }

  /** Tell what is new since the last look. */
  look(): void {
    if (this.#unseen === 0) return;
    this.#unseen = 0;
    this.#suspected = false;
    const { warning } = this.#data;
    for (let kind = 0; kind < warning.size(); kind++) {
      if (!this.#told.has(kind)) this.#lookFor(kind, warning);
    }
  }

  #lookFor(kind: number, warning: MjData['warning']): void {
    const found = warning.get(kind);
    if (found === undefined) return;
    const { number, lastinfo } = found;
    found.delete();
    if (number === 0) return;
    this.#told.add(kind);
    this.#tell(this.#textOf(kind, lastinfo));
  }

  #textOf(kind: number, info: number): string {
    const { mjtWarning } = this.#mujoco;
    const text =
      kind === mjtWarning.mjWARN_CNSTRFULL.value
        ? 'Too many constraints. The arena memory is full, increase arena memory allocation.'
        : this.#mujoco.mju_warningText(kind, info);
    const { mjWARN_BADQPOS, mjWARN_BADQVEL, mjWARN_BADQACC } = mjtWarning;
    const blewUp = [mjWARN_BADQPOS, mjWARN_BADQVEL, mjWARN_BADQACC].some(
      ({ value }) => value === kind,
    );
    return blewUp ? `${text} ${consequence}` : text;
  }
}

const consequence =
  "Unless the model disables autoreset, MuJoCo sets it back to the model's initial state and the " +
  'episode goes on from there.';
