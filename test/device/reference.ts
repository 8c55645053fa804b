/**
 * The networks once more, in plain float64 loops: what every backend is held against. Nothing here
 * is shared with the package; `reference.test.ts` checks it against finite differences.
 */

export interface Pattern {
  n: number;
  m: number;
}

/** A layer with all of its weights; the mask says which are active. */
export interface ReferenceLayer {
  inputs: number;
  outputs: number;
  weight: Float64Array;
  bias: Float64Array;
  mask: Uint8Array;
  /** The weights that the data gradient reads. Default: those of the mask. */
  gradientMask?: Uint8Array;
}

export interface ReferenceNetwork {
  layers: ReferenceLayer[];
  /** tanh scaled to [low, high] if given. */
  range?: { low: number[]; high: number[] };
}

/** Small seeded numbers (mulberry32), independent of the package's own generator. */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function randomFloats(length: number, seed: number, scale = 1): Float32Array {
  const random = randomSource(seed);
  return Float32Array.from({ length }, () => (2 * random() - 1) * scale);
}

/** The mask of a row-wise N:M projection: sort every group by magnitude, ties to the lower column. */
export function projectMask(weight: ArrayLike<number>, inputs: number, p: Pattern | null) {
  const mask = new Uint8Array(weight.length);
  if (p === null) return mask.fill(1);
  for (let row = 0; row < weight.length; row += inputs) {
    for (let group = 0; group < inputs; group += p.m) {
      const size = Math.min(p.m, inputs - group);
      const magnitude = (i: number) => Math.abs(weight[row + group + i] ?? 0);
      const order = Array.from({ length: size }, (_, i) => i);
      order.sort((a, b) => magnitude(b) - magnitude(a) || a - b);
      for (const i of order.slice(0, p.n)) mask[row + group + i] = 1;
    }
  }
  return mask;
}

/** Every 0/1 matrix of `rows` rows and 4 columns with n ones in each row, at most n in each column. */
export function transposableTiles(rows: number, n: number): number[][] {
  const sum = (places: number[]) => places.reduce((total, place) => total + place, 0);
  const lines = [0, 1, 2, 3];
  const tiles: number[][] = [];
  for (let code = 0; code < 2 ** (4 * rows); code++) {
    const tile = Array.from({ length: 4 * rows }, (_, place) => (code >> place) & 1);
    const row = (r: number) => sum(tile.slice(4 * r, 4 * r + 4));
    const column = (c: number) => sum(tile.filter((_, place) => place % 4 === c));
    if (lines.slice(0, rows).every((r) => row(r) === n) && lines.every((c) => column(c) <= n)) {
      tiles.push(tile);
    }
  }
  return tiles;
}

/** The tiles that there are for some rows and n, as text and as the places of their ones. */
const tilesByShape = new Map<string, { text: string; places: number[] }[]>();

function tilesOf(rows: number, n: number) {
  const key = `${rows} ${n}`;
  const found =
    tilesByShape.get(key) ??
    transposableTiles(rows, n).map((tile) => ({
      text: tile.join(''),
      places: tile.flatMap((entry, place) => (entry === 1 ? [place] : [])),
    }));
  tilesByShape.set(key, found);
  return found;
}

/** The tile of largest total magnitude; ties go to the one with a 1 where two first differ. */
function bestTile(magnitudes: number[], rows: number, n: number): string {
  let best = { unbounded: 0, total: -1, text: '' };
  for (const { text, places } of tilesOf(rows, n)) {
    let [unbounded, total] = [0, 0];
    for (const place of places) {
      const magnitude = magnitudes[place] as number;
      if (magnitude === Infinity) unbounded++;
      else total += magnitude;
    }
    const difference = unbounded - best.unbounded || total - best.total;
    if (difference > 0 || (difference === 0 && text > best.text)) best = { unbounded, total, text };
  }
  return best.text;
}

/** The transposable mask: tile by tile; columns of a last group of fewer than 4 row by row. */
export function transposableMask(weight: ArrayLike<number>, inputs: number, n: number) {
  const magnitudes = Array.from(weight, (w) => (Number.isNaN(w) ? Infinity : Math.abs(w)));
  const mask = projectMask(magnitudes, inputs, { n, m: 4 });
  const outputs = weight.length / inputs;
  for (let top = 0; top < outputs; top += 4) {
    const rows = Math.min(4, outputs - top);
    for (let left = 0; left + 4 <= inputs; left += 4) {
      const places = Array.from({ length: 4 * rows }, (_, k) => {
        return (top + Math.floor(k / 4)) * inputs + left + (k % 4);
      });
      const tile = bestTile(
        places.map((place) => magnitudes[place] as number),
        rows,
        n,
      );
      places.forEach((place, k) => (mask[place] = Number(tile[k])));
    }
  }
  return mask;
}

/**
 * What is left of a mask if every column keeps, of each `group` rows, the half of largest magnitude;
 * ties go to the upper row.
 */
export function pruneTranspose(
  weight: ArrayLike<number>,
  mask: ArrayLike<number>,
  inputs: number,
  group: number,
): Uint8Array {
  const left = new Uint8Array(weight.length);
  const size = (at: number) => {
    const value = Math.abs(weight[at] as number);
    return Number.isNaN(value) ? Infinity : value;
  };
  // Infinity - Infinity is no order: the places decide then too.
  const largestFirst = (a: number, b: number) => (size(a) === size(b) ? a - b : size(b) - size(a));
  for (let top = 0; top < weight.length; top += group * inputs) {
    for (let column = 0; column < inputs; column++) {
      const places = Array.from({ length: group }, (_, row) => top + row * inputs + column);
      const active = places.filter((at) => mask[at] === 1).sort(largestFirst);
      for (const at of active.slice(0, group / 2)) left[at] = 1;
    }
  }
  return left;
}

/** All activations: the input, each layer's output after ReLU, and last the network's output. */
export function forward(network: ReferenceNetwork, x: ArrayLike<number>): Float64Array[] {
  const activations = [Float64Array.from(x)];
  network.layers.forEach((layer, l) => {
    const last = l === network.layers.length - 1;
    const input = activations[l] as Float64Array;
    const output = new Float64Array(layer.outputs);
    for (let o = 0; o < layer.outputs; o++) {
      let sum = layer.bias[o] as number;
      for (let i = 0; i < layer.inputs; i++) {
        const at = o * layer.inputs + i;
        if (layer.mask[at] === 1) sum += (layer.weight[at] as number) * (input[i] as number);
      }
      output[o] = last ? squash(network, o, sum) : Math.max(sum, 0);
    }
    activations.push(output);
  });
  return activations;
}

function squash(network: ReferenceNetwork, o: number, value: number): number {
  if (network.range === undefined) return value;
  const [low, high] = [network.range.low[o] as number, network.range.high[o] as number];
  return (high + low) / 2 + ((high - low) / 2) * Math.tanh(value);
}

export interface Gradients {
  weights: Float64Array[];
  biases: Float64Array[];
  /** [batch * inputs] */
  input: Float64Array;
}

/** Gradients, summed over the batch; dense ones (straight-through) unless `masked`. */
export function backward(
  network: ReferenceNetwork,
  x: ArrayLike<number>,
  outputGradient: ArrayLike<number>,
  masked: boolean,
): Gradients {
  const { layers } = network;
  const [inputs, outputs] = [layers[0]!.inputs, layers.at(-1)!.outputs];
  const rows = x.length / inputs;
  const result: Gradients = {
    weights: layers.map((layer) => new Float64Array(layer.weight.length)),
    biases: layers.map((layer) => new Float64Array(layer.outputs)),
    input: new Float64Array(x.length),
  };
  for (let b = 0; b < rows; b++) {
    const sample = Array.from({ length: inputs }, (_, i) => x[b * inputs + i] as number);
    const activations = forward(network, sample);
    const gradient = Float64Array.from({ length: outputs }, (_, o) => {
      const slope = squashSlope(network, o, activations.at(-1)![o] as number);
      return (outputGradient[b * outputs + o] as number) * slope;
    });
    result.input.set(backwardSample(layers, activations, gradient, result, masked), b * inputs);
  }
  return result;
}

function squashSlope(network: ReferenceNetwork, o: number, y: number): number {
  if (network.range === undefined) return 1;
  const [low, high] = [network.range.low[o] as number, network.range.high[o] as number];
  const t = (y - (high + low) / 2) / ((high - low) / 2);
  return ((high - low) / 2) * (1 - t * t);
}

function backwardSample(
  layers: ReferenceLayer[],
  activations: Float64Array[],
  outputGradient: Float64Array,
  sums: Gradients,
  masked: boolean,
): Float64Array {
  let delta = outputGradient;
  for (let l = layers.length - 1; l >= 0; l--) {
    const layer = layers[l]!;
    const input = activations[l]!;
    const next = new Float64Array(layer.inputs);
    const read = layer.gradientMask ?? layer.mask;
    for (let o = 0; o < layer.outputs; o++) {
      sums.biases[l]![o]! += delta[o]!;
      for (let i = 0; i < layer.inputs; i++) {
        const at = o * layer.inputs + i;
        if (read[at] === 1) next[i]! += layer.weight[at]! * delta[o]!;
        if (layer.mask[at] === 1 || !masked) sums.weights[l]![at]! += delta[o]! * input[i]!;
      }
    }
    // ReLU passes gradients where it was active; the input of the network is no ReLU.
    delta = l === 0 ? next : next.map((value, i) => (input[i]! > 0 ? value : 0));
  }
  return delta;
}

/** PyTorch's Adam on float64 arrays, in place; `step` counts from 1. */
export function adamStep(
  state: { w: Float64Array; m: Float64Array; v: Float64Array },
  gradient: ArrayLike<number>,
  step: number,
  o: { learningRate: number; beta1: number; beta2: number; epsilon: number },
): void {
  state.w.forEach((w, i) => {
    const g = gradient[i] as number;
    const m = o.beta1 * state.m[i]! + (1 - o.beta1) * g;
    const v = o.beta2 * state.v[i]! + (1 - o.beta2) * g * g;
    const denominator = Math.sqrt(v) / Math.sqrt(1 - o.beta2 ** step) + o.epsilon;
    state.w[i] = w - ((o.learningRate / (1 - o.beta1 ** step)) * m) / denominator;
    state.m[i] = m;
    state.v[i] = v;
  });
}

/** Largest |a - b| / (1 + |b|); NaN on either side alone counts as infinite. */
export function deviation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const error = Math.abs(a[i]! - b[i]!) / (1 + Math.abs(b[i]!));
    if (Number.isNaN(error) && !(Number.isNaN(a[i]!) && Number.isNaN(b[i]!))) return Infinity;
    if (error > worst) worst = error;
  }
  return worst;
}
