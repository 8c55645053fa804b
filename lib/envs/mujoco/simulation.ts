/**
 * The physics behind one environment: a compiled MuJoCo model, its data, and views of both.
 *
 * MuJoCo runs as WebAssembly. Its arrays are views of one growing heap: whenever the heap grows
 * (any new model or data may cause it) every view is detached, has length 0 and swallows writes.
 * Fetching a view costs more than a physics step of a small model, so views are fetched once and
 * again only when they were found detached.
 */
import loadMujoco from '@mujoco/mujoco';
import type { DoubleBuffer, MainModule, MjData, MjModel, MjWarningStatVec } from '@mujoco/mujoco';
import { InvalidValueError, RunError, invalidValue } from '../../errors.js';

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

/** Arrays that lag behind the state: what a task reads of them is of the last physics step. */
const lagging = [
  'xpos',
  'xipos',
  'siteXpos',
  'cinert',
  'cvel',
  'cfrcExt',
  'qfrcActuator',
  'qfrcConstraint',
] as const satisfies readonly (keyof Views)[];

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
  /** Room for the physics' own state, outside of JavaScript. */
  readonly #buffer: DoubleBuffer;
  readonly #warnings: MjWarningStatVec;
  readonly #told = new Set<number>();
  /** What warnings call it. */
  readonly #name: string;
  #views: Views;

  /**
   * @param mujoco what `loadEngine()` resolved to
   * @param mjcf the model as MJCF text
   * @param name the task's, for warnings
   * @throws InvalidValueError with MuJoCo's own message when the text is no valid model
   * @internal
   */
  constructor(mujoco: MainModule, mjcf: string, name: string) {
    this.#name = name;
    this.#mujoco = mujoco;
    this.model = compile(mujoco, mjcf);
    this.#data = newData(mujoco, this.model);
    this.#views = fetchViews(this.#data);
    this.#buffer = new mujoco.DoubleBuffer(mujoco.mj_stateSize(this.model, this.#kind));
    this.#warnings = this.#data.warning;
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
    this.views.ctrl.set(control);
    const before = data.time;
    for (let i = 0; i < count; i++) mujoco.mj_step(model, data);
    // MuJoCo begins anew, at time 0, where the physics have blown up.
    if (data.time < before + (count - 0.5) * this.timestep) this.#tellWarnings();
  }

  /** MuJoCo counts what goes wrong in an episode, and says nothing by itself: the first of each kind is told. */
  #tellWarnings(): void {
    const stats = this.#warnings;
    for (let kind = 0; kind < stats.size(); kind++) {
      const stat = stats.get(kind);
      if (stat !== undefined && stat.number > 0 && !this.#told.has(kind)) {
        this.#told.add(kind);
        const text = this.#mujoco.mju_warningText(kind, stat.lastinfo);
        console.error(`WARNING: ${text} (MuJoCo, in ${this.#name}; told once)`);
      }
      stat?.delete();
    }
  }

  get #kind(): number {
    return this.#mujoco.mjtState.mjSTATE_INTEGRATION.value;
  }

  /**
   * Every number that the next steps depend on, and what is observed now: MuJoCo's integration state (time,
   * positions, velocities, activations, warm start, controls, forces), then the arrays that lag behind it.
   */
  state(): Float64Array {
    this.#mujoco.mj_getState(this.model, this.#data, this.#buffer, this.#kind);
    const physics = this.#buffer.GetView() as Float64Array;
    const { views } = this;
    return Float64Array.from(
      [physics, ...lagging.map((name) => views[name])].flatMap((v) => [...v]),
    );
  }

  /** How many numbers `state()` has. */
  get stateSize(): number {
    const { views } = this;
    const own = this.#mujoco.mj_stateSize(this.model, this.#kind);
    return lagging.reduce((sum, name) => sum + views[name].length, own);
  }

  /** Go on from what `state()` of a simulation of the same model returned. */
  restore(state: Float64Array): void {
    const own = this.#mujoco.mj_stateSize(this.model, this.#kind);
    this.#mujoco.mj_setState(this.model, this.#data, [...state.subarray(0, own)], this.#kind);
    const { views } = this;
    let at = own;
    for (const name of lagging) {
      views[name].set(state.subarray(at, at + views[name].length));
      at += views[name].length;
    }
  }

  /** Compute `cfrcExt`. It costs time and changes nothing else, so only tasks that need it ask. */
  computeContactForces(): void {
    this.#mujoco.mj_rnePostConstraint(this.model, this.#data);
  }

  /** Back to the model's initial state, time and solver included. */
  clear(): void {
    this.#tellWarnings();
    this.#mujoco.mj_resetData(this.model, this.#data);
  }

  /** Set positions and velocities and compute all that derives from them. */
  setState(qpos: ArrayLike<number>, qvel: ArrayLike<number>): void {
    const { views } = this;
    views.qpos.set(qpos);
    views.qvel.set(qvel);
    this.#mujoco.mj_forward(this.model, this.#data);
  }

  /** Free model and data; they must not be used after. */
  close(): void {
    if (this.model.isDeleted()) return;
    this.#buffer.delete();
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
