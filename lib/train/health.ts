/** Whether an agent is still one: a number that is not finite spreads, and what has diverged learns no more. */
import { RunError } from '../errors.js';
import type { SafeTensor } from './formats/safetensors.js';
import type { TrainableAgent } from './trainable.js';

/** Training has diverged: nothing of the agent is worth keeping any more. */
export class DivergedError extends RunError {}

/**
 * The agent's figures, under the names that metrics have. Those that are not finite are left out before the
 * first update.
 *
 * @throws DivergedError that names the figure, and the tensor behind it, when one is not finite after it
 */
export function healthyMetrics(agent: TrainableAgent): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [name, value] of Object.entries(agent.metrics())) {
    if (Number.isFinite(value)) values[name.includes('/') ? name : `agent/${name}`] = value;
    else if (agent.updates > 0) throw diverged(agent, name, value);
  }
  return values;
}

function diverged(agent: TrainableAgent, name: string, value: number): DivergedError {
  const tensor = describeFirst(agent.state().tensors);
  return new DivergedError(
    `Expected ${name} to be finite but received ${value}${tensor}. Training has diverged: try a ` +
      `lower learning rate, or look for extreme observations and rewards in the environment${extremes(agent)}`,
  );
}

/** The first number of a state that is not finite. */
function describeFirst(tensors: Readonly<Record<string, SafeTensor>>): string {
  for (const [name, { dtype, data }] of Object.entries(tensors)) {
    if (dtype !== 'F32' && dtype !== 'F64') continue;
    const at = data.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) return ` (tensor ${name}[${at}] is ${data[at]})`;
  }
  return '';
}

/** The largest magnitudes of the latest batch. */
function extremes(agent: TrainableAgent): string {
  const batch = Object.entries(agent.latestBatch?.() ?? {});
  if (batch.length === 0) return '';
  const parts = batch.map(([name, { data }]) => {
    let most = 0;
    for (const value of data) most = Math.max(most, Math.abs(Number(value)));
    return `${name} ${most.toPrecision(3)}`;
  });
  return `. The largest magnitudes of the latest batch: ${parts.join(', ')}`;
}
