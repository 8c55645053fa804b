/** `rnm-td3 verify [reference...]` */
import type { Command } from 'commander';
import { z } from 'zod';
import { listOptions, parseOptions } from '../options.js';
import { machineOptions } from '../td3/config.js';
import type { Deviation, Verification } from '../td3/verify.js';
import { addFlags } from './flags.js';
import { formatNumber } from './format.js';
import type { CommandContext } from './program.js';
import { formatTable } from './table.js';
import { paint, print, printJson } from './terminal.js';
import type { Output } from './terminal.js';

const schema = z.strictObject(machineOptions);

const footer = `
A reference holds networks, batches and noise, and the state of everything after every TD3 update as
PyTorch computed it. Masks have to be identical; float32 values may differ by what rounding explains.`;

/** Add arguments, flags and action to the command. */
export function define(command: Command, { terminal, exit }: CommandContext): void {
  command
    .argument('[references...]', 'Reference files (.json); without any, those of the package.')
    .option('--json', 'Print one JSON object per case on standard output, and nothing else.')
    .addHelpText('after', footer)
    .action(async (paths: string[], { json, ...flags }: { json?: boolean }) => {
      const machine = parseOptions(schema, flags);
      const passed = await verifyAll(paths, machine, json === true, terminal.stdout);
      if (!passed) exit(1);
    });
  addFlags(command, listOptions(schema));
}

/** Verify every reference, also after a miss: which cases fail tells where to look. */
async function verifyAll(
  given: readonly string[],
  machine: z.output<typeof schema>,
  json: boolean,
  stdout: Output,
): Promise<boolean> {
  const { defaultReferenceFiles, verifyReference } = await import('../td3/verify.js');
  const paths = given.length > 0 ? given : defaultReferenceFiles();
  const cases: Verification[] = [];
  for (const path of paths) {
    const result = await verifyReference(path, machine);
    if (json) printJson(stdout, result);
    cases.push(result);
  }
  if (!json) print(stdout, describeCases(cases, stdout));
  return cases.every(({ passed }) => passed);
}

function describeCases(cases: readonly Verification[], stdout: Output): string {
  const columns = [
    { title: 'Case' },
    { title: 'Result' },
    { title: 'Updates', numeric: true },
    { title: 'Numbers', numeric: true },
    { title: 'Masks off', numeric: true },
    { title: 'Error / tolerance', numeric: true },
    { title: 'Largest in' },
  ];
  const rows = cases.map((result) => {
    const { deviation } = largestDeviation(result);
    return [
      result.name,
      result.passed ? paint(stdout, 'green', 'agrees') : paint(stdout, 'red', 'DIFFERS'),
      formatNumber(result.updates),
      formatNumber(result.compared),
      formatNumber(result.maskMismatches),
      formatNumber(deviation.ofTolerance, 3),
      deviation.where,
    ];
  });
  const missed = cases.filter(({ passed }) => !passed);
  const verdict =
    missed.length === 0
      ? paint(stdout, 'green', `All ${cases.length} cases agree with PyTorch.`)
      : paint(stdout, 'red', `${missed.length} of ${cases.length} cases differ from PyTorch.`);
  return [formatTable(stdout, columns, rows), '', ...missed.map(describeMiss), verdict].join('\n');
}

/** The kind of value that is furthest from its reference. */
function largestDeviation({ worst }: Verification): { kind: string; deviation: Deviation } {
  return Object.entries(worst)
    .map(([kind, deviation]) => ({ kind, deviation }))
    .reduce((a, b) => (b.deviation.ofTolerance > a.deviation.ofTolerance ? b : a));
}

function describeMiss(result: Verification): string {
  const { kind, deviation } = largestDeviation(result);
  const { error, ofTolerance, where } = deviation;
  const masks = `${formatNumber(result.maskMismatches)} wrong mask entries`;
  const values = `${kind} off by ${error.toExponential(2)} in ${where}`;
  return `${result.name}: ${masks}; ${values}, ${formatNumber(ofTolerance, 1)} times the tolerance`;
}
