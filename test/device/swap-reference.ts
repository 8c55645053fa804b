/**
 * Swaps within groups once more, as the top of `native/core/swaps.h` describes them: every mask that a unit may
 * have is looked at. Nothing here is shared with the package.
 */
import { transposableTiles } from './reference.js';
import type { Pattern } from './reference.js';

export interface SwapLayer {
  inputs: number;
  outputs: number;
  pattern: Pattern;
  transposable: boolean;
  weight: ArrayLike<number>;
  mask: ArrayLike<number>;
}

/** The places in W of a unit's weights, row by row, and its number. */
interface Unit {
  number: number;
  rows: number[][];
}

/** Places whose weights go dormant, and those that become active. */
export interface Swap {
  lost: number[];
  grown: number[];
}

/** The masks that a tile may have are many to look for. */
const tiles = new Map<string, number[][]>();

export function tilesOf(rows: number, n: number): number[][] {
  const key = `${rows} ${n}`;
  const found = tiles.get(key) ?? transposableTiles(rows, n);
  tiles.set(key, found);
  return found;
}

/** NaN counts as larger than any number. */
const size = (value: number) => (Number.isNaN(value) ? Infinity : Math.abs(value));

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

function unitsOf({ inputs, outputs, pattern: { n, m }, transposable }: SwapLayer): Unit[] {
  const groups = Math.ceil(inputs / m);
  return range(outputs).flatMap((row) =>
    range(groups).flatMap((group) => {
      const columns = Math.min(m, inputs - group * m);
      const band = Math.min(4, outputs - row + (row % 4));
      const isTile = transposable && columns === m && band > n;
      if (columns <= n || (isTile && row % 4 !== 0)) return [];
      const rows = range(isTile ? band : 1).map((r) =>
        range(columns).map((c) => (row + r) * inputs + group * m + c),
      );
      return [{ number: row * groups + group, rows }];
    }),
  );
}

/** The smallest active weight of a unit; of equal ones the last. */
function smallest({ weight, mask }: SwapLayer, unit: Unit): number {
  const active = unit.rows.flat().filter((at) => mask[at] === 1);
  const least = Math.min(...active.map((at) => size(weight[at]!)));
  return active.findLast((at) => size(weight[at]!) === least)!;
}

/** All swaps in which a weight of a unit goes dormant, in the order in which ties are broken. */
function swapsOf(layer: SwapLayer, unit: Unit, dropped: number): Swap[] {
  const places = unit.rows.flat();
  if (unit.rows.length === 1) {
    const dormant = places.filter((at) => layer.mask[at] !== 1);
    return dormant.map((at) => ({ lost: [dropped], grown: [at] }));
  }
  const { n } = layer.pattern;
  const [rowOf, columnOf] = [
    (at: number) => Math.floor(at / layer.inputs),
    (at: number) => at % layer.inputs,
  ];
  const isFull = (column: number) =>
    places.filter((at) => columnOf(at) === column && layer.mask[at] === 1).length === n;
  return tilesOf(unit.rows.length, n)
    .map((tile): Swap => {
      const changed = (from: number, to: number) =>
        places.filter((at, k) => layer.mask[at] === from && tile[k] === to);
      // What belongs to the row of the weight that is dropped comes first.
      const ownFirst = (a: number, b: number) =>
        Number(rowOf(b) === rowOf(dropped)) - Number(rowOf(a) === rowOf(dropped));
      return { lost: changed(1, 0).sort(ownFirst), grown: changed(0, 1).sort(ownFirst) };
    })
    .filter(({ lost, grown }) => {
      if (lost[0] !== dropped) return false;
      if (lost.length === 1) return true;
      const isRectangle =
        lost.length === 2 &&
        columnOf(grown[0]!) === columnOf(lost[1]!) &&
        columnOf(grown[1]!) === columnOf(dropped);
      return isRectangle && isFull(columnOf(lost[1]!));
    })
    .sort((a, b) => a.grown[0]! - b.grown[0]! || (a.lost[1] ?? -1) - (b.lost[1] ?? -1));
}

/**
 * A layer's swaps: of so large a part of its units, those with the smallest active weights. `choose` takes one
 * of the swaps that a unit has.
 */
export function swap(
  layer: SwapLayer,
  fraction: number,
  choose: (swaps: Swap[], unit: number) => Swap,
) {
  const units = unitsOf(layer);
  const dropped = units.map((unit) => smallest(layer, unit));
  const key = (u: number) => size(layer.weight[dropped[u]!]!);
  // Infinity - Infinity is no order.
  const order = range(units.length).sort((a, b) =>
    key(a) === key(b) ? a - b : key(a) < key(b) ? -1 : 1,
  );
  const chosen = order.slice(0, Math.floor(fraction * units.length + 0.5));
  const swaps = chosen.map((u) => choose(swapsOf(layer, units[u]!, dropped[u]!), units[u]!.number));
  const [lost, grown] = [swaps.flatMap((s) => s.lost), swaps.flatMap((s) => s.grown)];
  const mask = Float32Array.from(layer.mask);
  for (const at of lost) mask[at] = 0;
  for (const at of grown) mask[at] = 1;
  return { mask, lost, grown, units: units.length };
}

/** The swap with the largest mean gradient where weights become active; the first of equals. */
export function byGradient(gradient: ArrayLike<number>) {
  return (swaps: Swap[]): Swap => {
    const means = swaps.map(({ grown }) => {
      return grown.reduce((sum, at) => sum + size(gradient[at]!), 0) / grown.length;
    });
    return swaps[means.indexOf(Math.max(...means))]!;
  };
}

/** Philox 4x32-10 (Salmon et al. 2011): the first word of a block. */
function philox(seed: bigint, stream: bigint, position: bigint): bigint {
  const [low, high] = [(x: bigint) => x & 0xffffffffn, (x: bigint) => (x >> 32n) & 0xffffffffn];
  let counter = [low(position), high(position), low(stream), high(stream)];
  let key = [low(seed), high(seed)];
  for (let round = 0; round < 10; round++) {
    const [a, b] = [0xd2511f53n * counter[0]!, 0xcd9e8d57n * counter[2]!];
    counter = [high(b) ^ counter[1]! ^ key[0]!, low(b), high(a) ^ counter[3]! ^ key[1]!, low(a)];
    key = [low(key[0]! + 0x9e3779b9n), low(key[1]! + 0xbb67ae85n)];
  }
  return counter[0]!;
}

/** A swap that is drawn; `layer` counts through all members of the network. */
export function byChance(seed: number, stream: number, layer: number) {
  return (swaps: Swap[], unit: number): Swap => {
    const position = (BigInt(layer) << 40n) + BigInt(unit);
    const word = philox(BigInt(seed), BigInt(stream), position);
    return swaps[Number((word * BigInt(swaps.length)) >> 32n)]!;
  };
}
