/**
 * The physics behind one environment: a compiled MuJoCo model, its data, and views of both.
 *
 * MuJoCo runs as WebAssembly. Its arrays are views of one growing heap: whenever the heap grows
 * (any new model or data may cause it) every view is detached, has length 0 and swallows writes.
 * Fetching a view costs more than a physics step of a small model, so views are fetched once and
 * again only when they were found detached.
 */
import loadMujoco from '@mujoco/mujoco';
import type { MainModule, MjData, MjModel } from '@mujoco/mujoco';
import { InvalidValueError, RunError, invalidValue } from '../../errors.js';
import { concatenate } from './numerics.js';
import { WarningWatch } from './warnings.js';

let engine: Promise<MainModule> | undefined;

/**
 * The MuJoCo module of this process; the first call compiles it.
 *
 * @internal
 */
export function loadEngine(): Promise<MainModule> {
  engine ??= loadMujoco({ printErr: reportProblem });
  return engine;
}

/** Pass on MuJoCo's warnings, but not what becomes an exception anyway. */
function reportProblem(text: string): void {
  if (!text.startsWith('Cannot enlarge memory')) console.error(text);
}

/** The arrays of `mjData` that tasks read or write, under MuJoCo's meanings. */
interface Views {
  qpos: Float64Array;
  qvel: Float64Array;
  ctrl: Float64Array;
  /** Solver's initial guess; part of the state if a step is to be repeated exactly. */
  qaccWarmstart: Float64Array;
  /** Positions of the body frames, [nbody, 3]. */
  xpos: Float64Array;
  /** Positions of the bodies' centres of mass, [nbody, 3]. */
  xipos: Float64Array;
  /** Positions of the sites, [nsite, 3]. */
  siteXpos: Float64Array;
  /** Inertia and mass of the bodies about the centre of mass of their tree, [nbody, 10]. */
  cinert: Float64Array;
  /** Velocities of the bodies about the centre of mass of their tree, [nbody, 6]. */
  cvel: Float64Array;
  /** External forces on the bodies, [nbody, 6], as of the last `computeContactForces()`. */
  cfrcExt: Float64Array;
  qfrcActuator: Float64Array;
  qfrcConstraint: Float64Array;
}

function fetchViews(data: MjData): Views {
  return {
    qpos: data.qpos,
    qvel: data.qvel,
    ctrl: data.ctrl,
    qaccWarmstart: data.qacc_warmstart,
    xpos: data.xpos,
    xipos: data.xipos,
    siteXpos: data.site_xpos,
    cinert: data.cinert,
    cvel: data.cvel,
    cfrcExt: data.cfrc_ext,
    qfrcActuator: data.qfrc_actuator,
    qfrcConstraint: data.qfrc_constraint,
  };
}

/** Arrays of `mjData` that go from one step to the next but that MuJoCo's own states leave out. */
const carriedOver = ['flexvert_conage', 'flexvert_lambda'] as const;

/** All that the next step and what tasks read depend on. */
export interface SimulationState {
  /** What MuJoCo calls the integration state: time, positions, velocities, controls, warm start, ... */
  physics: Float64Array;
  /**
   * What derives from an earlier state, one physics step behind: computed anew from `physics` it
   * would be of another moment.
   */
  lagging: Float64Array;
}

/** A model and its state. Free it with `close()`: it lives outside the garbage collector's reach. */
export class Simulation {
  /**
   * The compiled model, for reading sizes, masses and the like.
   *
   * @internal MuJoCo's own type declarations need `skipLibCheck`: ours do not lead there
   */
  readonly model: MjModel;
  /** Seconds of one physics step. */
  readonly timestep: number;
  /** Generalised positions the model starts from, length nq. */
  readonly initialQpos: Float64Array;
  /** Masses of the bodies, length nbody. */
  readonly bodyMass: Float64Array;
  readonly #mujoco: MainModule;
  readonly #data: MjData;
  readonly #warnings: WarningWatch;
  #views: Views;

  /**
   * @param mujoco what `loadEngine()` resolved to
   * @param mjcf the model as MJCF text
   * @param warn called with each kind of warning that MuJoCo gives, once
   * @throws InvalidValueError with MuJoCo's own message when the text is no valid model
   * @internal
   */
  constructor(mujoco: MainModule, mjcf: string, warn: (text: string) => void) {
    this.#mujoco = mujoco;
    this.model = compile(mujoco, mjcf);
    this.#data = newData(mujoco, this.model);
    this.#warnings = new WarningWatch(mujoco, this.#data, warn);
    this.#views = fetchViews(this.#data);
    this.timestep = this.model.opt.timestep;
    this.initialQpos = Float64Array.from(this.model.qpos0 as Float64Array);
    this.bodyMass = Float64Array.from(this.model.body_mass as Float64Array);
    mujoco.mj_forward(this.model, this.#data);
  }

  /** Views of the state; do not keep them beyond the current call. */
  get views(): Views {
    if (this.#views.qpos.length === 0) this.#views = fetchViews(this.#data);
    return this.#views;
  }

  /**
   * Number of a body, for indexing `xpos` and the like; a number is checked and returned.
   *
   * @param option name of the option that asks for the body, for the message
   */
  body(nameOrIndex: string | number, option = 'model'): number {
    const { model } = this;
    const kind = this.#mujoco.mjtObj.mjOBJ_BODY.value;
    const index =
      typeof nameOrIndex === 'number'
        ? nameOrIndex
        : this.#mujoco.mj_name2id(model, kind, nameOrIndex);
    if (Number.isInteger(index) && index >= 0 && index < model.nbody) return index;
    if (option === 'model') {
      throw new InvalidValueError(
        `The model has no body named ${JSON.stringify(nameOrIndex)}, which the task needs`,
      );
    }
    const expected = `the name of a body or an integer from 0 to ${model.nbody - 1}`;
    throw invalidValue(option, expected, nameOrIndex);
  }

  /** The vector from one body to another, where the last physics step saw them. */
  offset(from: number, to: number): [x: number, y: number, z: number] {
    const { xpos } = this.views;
    return [
      xpos[3 * to]! - xpos[3 * from]!,
      xpos[3 * to + 1]! - xpos[3 * from + 1]!,
      xpos[3 * to + 2]! - xpos[3 * from + 2]!,
    ];
  }

  /**
   * Hold `control` for `count` physics steps.
   *
   * Everything derived from qpos and qvel (xpos, cinert, ...) is left as the last physics step saw
   * it, one timestep behind. Gymnasium's tasks are defined on these lagging values, therefore
   * nothing here may call `mj_forward`.
   */
  advance(control: Float32Array, count: number): void {
    const mujoco = this.#mujoco;
    const { model } = this;
    const data = this.#data;
    const timeBefore = data.time;
    this.views.ctrl.set(control);
    this.#warnings.beforeSteps(control);
    for (let i = 0; i < count; i++) mujoco.mj_step(model, data);
    this.#warnings.afterSteps(timeBefore);
  }

  /** Compute `cfrcExt`. It costs time and changes nothing else, so only tasks that need it ask. */
  computeContactForces(): void {
    this.#mujoco.mj_rnePostConstraint(this.model, this.#data);
  }

  /** Back to the model's initial state, time and solver included. */
  clear(): void {
    this.#warnings.look();
    this.#mujoco.mj_resetData(this.model, this.#data);
  }

  /** Set positions and velocities and compute all that derives from them. */
  setState(qpos: ArrayLike<number>, qvel: ArrayLike<number>): void {
    const { views } = this;
    views.qpos.set(qpos);
    views.qvel.set(qvel);
    this.#mujoco.mj_forward(this.model, this.#data);
    for (const values of [qpos, qvel, this.#data.qacc as Float64Array]) {
      this.#warnings.beforeSteps(values);
    }
  }

  /** Undefined where bodies may sleep: what MuJoCo then keeps of them cannot be had. */
  state(): SimulationState | undefined {
    const { mjtEnableBit } = this.#mujoco;
    if ((this.model.opt.enableflags & mjtEnableBit.mjENBL_SLEEP.value) !== 0) return undefined;
    const { physics: length } = this.stateSizes;
    const buffer = new this.#mujoco.DoubleBuffer(length);
    try {
      this.#mujoco.mj_getState(this.model, this.#data, buffer, this.#stateKind);
      const physics = Float64Array.from(buffer.GetView() as Float64Array);
      return { physics, lagging: concatenate(...this.#laggingViews()) };
    } finally {
      buffer.delete();
    }
  }

  /** How many numbers the parts of a state have. */
  get stateSizes(): { physics: number; lagging: number } {
    const physics = this.#mujoco.mj_stateSize(this.model, this.#stateKind);
    const lagging = this.#laggingViews().reduce((sum, { length }) => sum + length, 0);
    return { physics, lagging };
  }

  /** Go on from a state whose parts have the lengths of `stateSizes`. */
  restore({ physics, lagging }: SimulationState): void {
    this.clear();
    this.#mujoco.mj_setState(this.model, this.#data, Array.from(physics), this.#stateKind);
    let start = 0;
    for (const view of this.#laggingViews()) {
      view.set(lagging.subarray(start, start + view.length));
      start += view.length;
    }
  }

  get #stateKind(): number {
    return this.#mujoco.mjtState.mjSTATE_INTEGRATION.value;
  }

  #laggingViews(): Float64Array[] {
    const { qpos: _, qvel: _v, ctrl: _c, qaccWarmstart: _w, ...lagging } = this.views;
    const others = carriedOver.map((name) => this.#data[name] as Float64Array);
    return [...Object.values(lagging), ...others] as Float64Array[];
  }

  /** Free model and data; they must not be used after. */
  close(): void {
    if (this.model.isDeleted()) return;
    this.#warnings.look();
    this.#data.delete();
    this.model.delete();
  }
}

function compile(mujoco: MainModule, mjcf: string): MjModel {
  try {
    return mujoco.MjModel.from_xml_string(mjcf);
  } catch (cause) {
    const reason = (cause as Error).message.trim().replaceAll(/\s*\n\s*/g, ', ');
    if (reason.includes('allocate memory')) throw outOfMemory(cause);
    const error = invalidValue('model', 'a valid MJCF text', mjcf.trim().slice(0, 60), reason);
    error.cause = cause;
    throw error;
  }
}

function newData(mujoco: MainModule, model: MjModel): MjData {
  try {
    return new mujoco.MjData(model);
  } catch (cause) {
    model.delete();
    throw outOfMemory(cause);
  }
}

function outOfMemory(cause: unknown): RunError {
  return new RunError(
    'MuJoCo could not reserve memory for another simulation. Close environments that are no ' +
      'longer used, or give the model a smaller <size memory="..."/>.',
    { cause },
  );
}
