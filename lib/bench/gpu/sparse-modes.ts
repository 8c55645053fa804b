/** The ways in which a device may be told to take sparse layers. */
import type {
  DataGradient,
  Device,
  MaskShape,
  Precision,
  SparseChoice,
  SparseUse,
  WeightGradient,
} from '../../device/index.js';
import { parsePattern } from '../../td3/pattern.js';

export interface SparseMode {
  sparse: SparseUse;
  dataGradient: DataGradient;
  weightGradient: WeightGradient;
}

/** What a device was told; nulls for dense networks and layers, and for peers. */
export type Told = { [K in keyof SparseMode]: SparseMode[K] | null };
export const untold: Told = { sparse: null, dataGradient: null, weightGradient: null };

const mode = (
  sparse: SparseUse,
  dataGradient: DataGradient = 'dense',
  weightGradient: WeightGradient = 'auto',
): SparseMode => ({ sparse, dataGradient, weightGradient });

/** Masked dense products only: what sparse ones are compared with where both have the same work beside them. */
export const maskedDense = mode('never');

/** As a device chooses. */
export const automatic = mode('auto');

const onTensorCores = [
  mode('always'),
  mode('always', 'transposable'),
  mode('always', 'double-pruned'),
  automatic,
  mode('auto', 'double-pruned'),
];
const sampled = mode('never', 'dense', 'sampled');

/** How layers are measured: forced and as a device chooses, in what a type has. */
export const modesOf: Record<Precision, SparseMode[]> = {
  fp32: [sampled, automatic],
  tf32: [...onTensorCores, sampled],
  bf16: onTensorCores,
};

/** What a device chose for a product, and what it had been told. */
export type ModeChoice = SparseMode & SparseChoice;

/**
 * The patterns that a mode is measured with. Hardware has one structure for all, so that forced sparse data
 * gradients are measured with the first that fits: only N:4 masks can be transposable.
 */
export function patternsOf(
  { sparse, dataGradient }: SparseMode,
  patterns: readonly string[],
): string[] {
  if (dataGradient === 'dense' || sparse === 'auto') return [...patterns];
  const fits = (name: string) =>
    dataGradient !== 'transposable' || parsePattern('a pattern', name)?.m === 4;
  return patterns.filter(fits).slice(0, 1);
}

/** The masks that a mode is meant for. */
export const maskShapeOf = (dataGradient: DataGradient): MaskShape =>
  dataGradient === 'transposable' ? 'transposable' : 'row';

export function describeMode({ sparse, dataGradient, weightGradient }: SparseMode): string {
  return `sparse ${sparse}, data gradient ${dataGradient}, weight gradient ${weightGradient}`;
}

export function choicesOf(device: Device, mode: SparseMode): ModeChoice[] {
  return device.sparseChoices().map((choice) => ({ ...mode, ...choice }));
}
