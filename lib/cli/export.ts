/** `rnm-td3 export <run>` */
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { listOptions, option, parseOptions } from '../options.js';
import { addFlags } from './flags.js';
import { formatNumber } from './format.js';
import type { CommandContext } from './program.js';
import { print } from './terminal.js';
import type { Terminal } from './terminal.js';

const formats = ['safetensors', 'onnx'] as const;

const schema = z.strictObject({
  best: option(z.boolean().default(false), 'The policy of the best evaluation, not the last.', {
    group: 'Export',
    expected: 'true or false',
    kind: 'flag',
  }),
  format: option(z.enum(formats).default('safetensors'), 'Format of the file.', {
    group: 'Export',
    expected: 'one of "safetensors", "onnx"',
    kind: 'text',
    placeholder: '<format>',
    choices: formats,
  }),
  out: option(
    z.string().min(1).optional(),
    'File to write; without it, policy.<format> in the run folder (best/ with --best).',
    {
      group: 'Export',
      expected: 'the path of a file',
      kind: 'text',
      placeholder: '<file>',
    },
  ),
});

/** Add arguments, flags and action to the command. */
export function define(command: Command, { terminal }: CommandContext): void {
  command
    .argument('<run>', 'Run folder, as "rnm-td3 train" printed it.')
    .action((run: string, flags: object) => exportRun(run, parseOptions(schema, flags), terminal));
  addFlags(command, listOptions(schema));
}

/** A run's own policy.safetensors is of its last step. */
function defaultPath(run: string, best: boolean, format: string): string {
  return join(run, ...(best ? ['best'] : []), `policy.${format}`);
}

async function exportRun(
  path: string,
  { format, best, out }: z.output<typeof schema>,
  terminal: Terminal,
): Promise<void> {
  const { loadRun } = await import('./load-run.js');
  const { encodeOnnxPolicy, encodePolicy, evaluationOrigin, policyMetadata } =
    await import('../train/index.js');
  const { writeOutputFile } = await import('./output-file.js');
  const { agent, env, steps, evaluation } = loadRun(path, { device: 'cpu' }, terminal, { best });
  const policy = agent.policy();
  const origin = { env, sparsity: agent.sparsity, steps, ...evaluationOrigin(evaluation) };
  const bytes =
    format === 'onnx'
      ? encodeOnnxPolicy({ ...policy, metadata: policyMetadata(policy, origin) })
      : encodePolicy(policy, origin);
  const file = out ?? defaultPath(path, best, format);
  writeOutputFile(file, bytes);
  print(terminal.stdout, `Wrote ${file} (${formatNumber(bytes.length)} bytes)`);
}
