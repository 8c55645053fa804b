/** The flags that say where a command computes; `eval`, `export` and `verify` share them. */
import type { Command } from 'commander';
import { hyperparameterSchema } from '../td3/config.js';
import { listOptions } from '../options.js';
import { addFlags } from './flags.js';

/** Values of the flags; what is missing is left as the run, or the default, has it. */
export interface MachineFlags {
  device?: 'auto' | 'cpu';
  threads?: number;
}

/** Add `--device` and `--threads`. */
export function addMachineFlags(command: Command): void {
  const wanted = new Set(['device', 'threads']);
  addFlags(
    command,
    listOptions(hyperparameterSchema).filter(({ key }) => wanted.has(key)),
  );
}
