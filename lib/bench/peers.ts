/** Other people's TD3 updates: PyTorch and JAX in the Python that is found, in the same run as ours. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { RunError } from '../errors.js';
import type { Candidate } from './pairing.js';
import type { UpdateShape } from './workload.js';

/** The scripts that there are, and the one module that each needs. */
const scripts = {
  torch: { module: 'torch', script: ['torch_td3.py'] },
  jax: { module: 'jax', script: ['jax_td3.py'] },
  'torch-cuda': { module: 'torch', script: ['torch_cuda.py'] },
  'torch-linear': { module: 'torch', script: ['torch_cuda.py', '--what', 'linear'] },
} as const;

export type PeerLibrary = keyof typeof scripts;
type Library = PeerLibrary;

const folder = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bench', 'peers');

/** What a peer says when its variants are built and warm. */
interface Ready {
  ready: true;
  library: Library;
  version: string;
  variants: { name: string; multiple: number; setupSeconds: number; differenceToEager?: number }[];
  /** Why variants do not work here. */
  failed: Record<string, string>;
}

/** Peers that run, and a line for each thing a reader should know about them. */
export interface Peers {
  candidates: Candidate[];
  notes: string[];
  close(): void;
}

export interface PeerOptions {
  shape: UpdateShape;
  /** "dense" or N:M, emulated by masks. Default: dense. */
  sparsity?: string;
  /** The Python to ask. Default: the environment variable RNM_PYTHON, then python3, then python. */
  python?: string | undefined;
  /** Default: those on the CPU, torch and jax. */
  libraries?: readonly Library[];
  /** When to give up on a peer that is not ready yet. Default: never. */
  startSeconds?: number;
  /** Called when a library is found: building its variants may take minutes. */
  onStart?: (library: string) => void;
}

/**
 * Start every peer that this machine has. What is missing is no error: a note says so.
 *
 * Close them when done.
 */
export async function startPeers(options: PeerOptions): Promise<Peers> {
  const { libraries = ['torch', 'jax'] } = options;
  const started: PeerProcess[] = [];
  const notes: string[] = [];
  const pythons = pythonsToTry(options.python);
  for (const library of libraries) {
    const python = pythons.find((name) => hasModule(name, scripts[library].module));
    if (python === undefined) {
      notes.push(`${library}: not found by ${pythons.join(' or ')}; name a Python with --python`);
      continue;
    }
    options.onStart?.(library);
    const peer = new PeerProcess(python, library, options);
    try {
      notes.push(...describeReady(await peer.ready(options.startSeconds)));
      started.push(peer);
    } catch (error) {
      peer.close();
      notes.push(`${library}: ${(error as Error).message}`);
    }
  }
  return {
    candidates: started.flatMap((peer) => peer.candidates()),
    notes,
    close: () => started.forEach((peer) => peer.close()),
  };
}

function pythonsToTry(given: string | undefined): string[] {
  const named = given ?? process.env['RNM_PYTHON'];
  return named === undefined || named === '' ? ['python3', 'python'] : [named];
}

function hasModule(python: string, module: string): boolean {
  const code = `import importlib.util, sys; sys.exit(importlib.util.find_spec("${module}") is None)`;
  return spawnSync(python, ['-c', code], { stdio: 'ignore' }).status === 0;
}

function describeReady({ library, version, variants, failed }: Ready): string[] {
  const names = variants.map(({ name, setupSeconds }) => `${name} (${setupSeconds} s to set up)`);
  return [
    `${library} ${version}: ${names.join(', ')}`,
    ...Object.entries(failed).map(([name, reason]) => `${library} ${name} does not run: ${reason}`),
  ];
}

/** One Python process that holds a library's variants and runs them when asked. */
class PeerProcess {
  readonly #library: Library;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  /** Settles when the process has ended and all that it said has been read. */
  readonly #ended: Promise<void>;
  #errors = '';
  #ready: Ready | undefined;

  constructor(python: string, library: Library, { shape, sparsity = 'dense' }: PeerOptions) {
    const { obs, act, hidden, batch, threads } = shape;
    const flags = Object.entries({ obs, act, hidden, batch, threads, sparsity });
    const [script, ...own] = scripts[library].script;
    const args = [
      join(folder, script),
      ...own,
      ...flags.flatMap(([name, value]) => [`--${name}`, String(value)]),
    ];
    this.#library = library;
    // No file may be left beside the scripts.
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
    this.#child = spawn(python, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
    this.#child.stderr.on('data', (text) => (this.#errors += String(text)));
    this.#child.on('error', (error) => (this.#errors += error.message));
    this.#ended = new Promise((resolve) => this.#child.on('close', () => resolve()));
    // A process that has ended is noticed when it does not answer.
    this.#child.stdin.on('error', () => {});
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Wait until every variant is built and warm, but not for longer than `seconds`. */
  async ready(seconds = Infinity): Promise<Ready> {
    const stop = () => {
      this.#errors += `\nit was not ready after ${Math.round(seconds)} s`;
      this.#child.kill();
    };
    const timer = Number.isFinite(seconds) ? globalThis.setTimeout(stop, 1e3 * seconds) : undefined;
    try {
      this.#ready = (await this.#read()) as Ready;
      return this.#ready;
    } finally {
      clearTimeout(timer);
    }
  }

  candidates(): Candidate[] {
    const { variants = [] } = this.#ready ?? {};
    const pids = this.#child.pid === undefined ? [] : [this.#child.pid];
    return variants.map(({ name, multiple }) => ({
      name: `${this.#library} ${name}`,
      multiple,
      pids,
      run: (updates: number) => this.#run(name, updates),
    }));
  }

  close(): void {
    this.#child.stdin.end();
    this.#child.kill();
  }

  async #run(variant: string, updates: number): Promise<number> {
    this.#child.stdin.write(`${JSON.stringify({ variant, updates })}\n`);
    return ((await this.#read()) as { seconds: number }).seconds;
  }

  async #read(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done !== true) return JSON.parse(value);
    // Its last words may come after its last output.
    await Promise.race([this.#ended, setTimeout(5000, undefined, { ref: false })]);
    const last = this.#errors.trim().split('\n').at(-1) ?? '';
    throw new RunError(`the script for ${this.#library} ended: ${last || 'it gave no reason'}`);
  }
}
