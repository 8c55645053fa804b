/** Matrix products of OpenBLAS and oneDNN, where they are installed. */
import { loadAddon } from '../device/index.js';

/** C[m, n] = op(A) op(B), row-major; op(A) is [m, k]. */
export interface Product {
  m: number;
  n: number;
  k: number;
  transposeA: boolean;
  transposeB: boolean;
}

/** A library that was found. */
export interface BlasPeer {
  library: BlasLibrary;
  /** The name or path under which it was found. */
  path: string;
  /** Compute a product `count` times. */
  run: (product: Product, threads: number, count: number) => void;
}

/** Where to look, in order; the environment variable comes first and may hold a path. */
const names = {
  openblas: {
    variable: 'RNM_OPENBLAS',
    names: ['libopenblas.so.0', 'libopenblas.so', 'libopenblas.dylib'],
  },
  onednn: {
    variable: 'RNM_ONEDNN',
    names: ['libdnnl.so.3', 'libdnnl.so.2', 'libdnnl.so', 'libdnnl.dylib'],
  },
} as const;

export type BlasLibrary = keyof typeof names;

/**
 * Their threads spin for many milliseconds after a product, on cores that the next candidate needs:
 * a fraction of a millisecond is enough to go from one product to the next.
 */
const spinning = { OPENBLAS_THREAD_TIMEOUT: '20', GOMP_SPINCOUNT: '20000' };

/** Every library that is installed, and for the others a line that says so. */
export function findBlasPeers(): { peers: BlasPeer[]; notes: string[] } {
  for (const [variable, value] of Object.entries(spinning)) process.env[variable] ??= value;
  const peers: BlasPeer[] = [];
  const notes: string[] = [];
  for (const library of Object.keys(names) as BlasLibrary[]) {
    const peer = open(library);
    if (peer !== null) peers.push(peer);
    else {
      const variable = names[library].variable;
      notes.push(`${library}: not found; set ${variable} to its path if it is installed`);
    }
  }
  return { peers, notes };
}

function open(library: BlasLibrary): BlasPeer | null {
  const { variable, names: known } = names[library];
  const given = process.env[variable] ?? '';
  try {
    const native = new (loadAddon().addon.BlasPeer)(library, given === '' ? known : [given]);
    return {
      library,
      path: native.name(),
      run: ({ m, n, k, transposeA, transposeB }, threads, count) =>
        native.run(m, n, k, transposeA, transposeB, threads, count),
    };
  } catch {
    return null; // the caller says what helps
  }
}
