/** Statistics of observations as tensors of an agent's state. */
import { checkFloat32, checkNumber, invalidValue } from '../errors.js';
import type { AgentState } from '../train/trainable.js';
import type { ObservationStatistics } from './observation-statistics.js';
import { checkLayout } from './state-tensor.js';

/** float64, [observationSize] each. */
const statisticsNames = { mean: 'observation.mean', variance: 'observation.variance' };

export function readStatistics(own: ObservationStatistics | undefined): AgentState['tensors'] {
  if (own === undefined) return {};
  const { mean, variance, size } = own;
  return {
    [statisticsNames.mean]: { dtype: 'F64', shape: [size], data: mean },
    [statisticsNames.variance]: { dtype: 'F64', shape: [size], data: variance },
  };
}

/** The stored statistics, empty for an agent without. */
export function checkStatistics(
  own: ObservationStatistics | undefined,
  tensors: AgentState['tensors'],
): { mean: ArrayLike<number>; variance: ArrayLike<number> } {
  const stored = tensors[statisticsNames.mean] !== undefined;
  if (stored !== (own !== undefined)) {
    const remedy = 'Make the agent with the same options as the one that it goes on from';
    const expected = `${stored}, as it was in the agent of the state,`;
    throw invalidValue('normalizeObservations', expected, !stored, remedy);
  }
  if (own === undefined) return { mean: [], variance: [] };
  const check = (name: string, checkValue: (name: string, value: number) => number) => {
    const values = checkLayout(name, 'F64', [own.size], tensors[name]);
    return Array.from(values, (value, i) => checkValue(`tensor ${name}[${i}]`, value));
  };
  return {
    mean: check(statisticsNames.mean, checkFloat32),
    variance: check(statisticsNames.variance, (name, value) => checkNumber(name, value, 0)),
  };
}
