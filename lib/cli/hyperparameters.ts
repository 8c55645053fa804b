/** The reference of all options as Markdown, made from the schemas that check them. */
import { listOptions } from '../options.js';
import type { ListedOption } from '../options.js';
import { leastInputs } from '../td3/pattern.js';
import { listPresets } from '../td3/presets.js';
import { flagName, formatDefault } from './flags.js';
import { runConfigSchema } from './train-config.js';

/** Markdown tables of all options of a run, one under each heading. */
export function hyperparameterTable(): string {
  const options = listOptions(runConfigSchema);
  const groups = new Set(options.flatMap(({ group }) => group ?? []));
  const sections = [...groups].map((group) => {
    const rows = options.filter((option) => option.group === group).map(tableRow);
    return `## ${group}\n\n${formatTable([['Option', 'Flag', 'Default', 'Meaning'], ...rows])}`;
  });
  return `${sections.join('\n\n')}\n`;
}

/** The text of docs/hyperparameters.md. */
export function hyperparameterPage(): string {
  return `# Hyperparameters

Every option of a run is a flag of \`rnm-td3 train\` and a key of its \`--config\` file; those under
TD3, Sparsity and Machine are options of \`Td3Agent\` too. What is true or false is a flag without a value:
\`--overlap\`, and \`--no-overlap\` where a file has it. Where the meaning ends in "(expression)",
the value may be an expression of the environment step \`t\`, such as \`"0.2 * exp(-t / 2e5)"\`: numbers,
\`t\`, \`pi\`, \`e\`, \`+ - * / ^\`, comparisons, \`condition ? a : b\`, parentheses and the functions
\`exp\`, \`log\`, \`sqrt\`, \`min\`, \`max\`, \`abs\`, \`pow\`, \`floor\`, \`ceil\`, \`round\`, \`cos\`, \`sin\`, \`tanh\` and
\`sign\`. Noise is measured in half action ranges: for an action from -1 to 1 in the action's own units.

This page is made from the schemas in \`lib/td3/config.ts\` and \`lib/cli/train-config.ts\`.

${hyperparameterTable()}
## Layers

\`sparsity\`, \`actorSparsity\` and \`criticSparsity\` take one pattern, or one for each layer from the input to
the output: \`"dense,1:8,dense"\`, or an array. A single pattern is for the layers that \`sparseLayers\` names:

- \`all\`, as in the paper;
- \`all-but-last\`: the output layer is dense. At 1:8 it would see 32 of 256 hidden units, and the others would
  learn nothing from it; keeping it dense costs a critic about 2% more multiplications;
- \`hidden\`: the first layer is dense too;
- \`by-inputs\`: the last layer is dense, and the first one where its units would keep fewer than ${leastInputs} inputs.

## Presets

\`rnm-td3 train <task>\` takes these values for what neither a flag nor a config file gives, and says so in one
line. \`--preset none\` does without. \`--preset paper\` takes RNM-TD3's own definition for any task.

${presetTable()}
`;
}

/** Every preset: whose it is, what it sets, and where that comes from. */
function presetTable(): string {
  const rows = listPresets().map(({ name, preset: { options, source } }) => {
    const settings = Object.entries(options).map(
      ([key, value]) => `${key} ${formatDefault(value)}`,
    );
    return [name, settings.map((text) => `\`${text}\``).join(', '), `${source}.`];
  });
  return formatTable([['Preset', 'Values', 'Where they come from'], ...rows]);
}

function tableRow({ key, kind, description, defaultValue, choices }: ListedOption): string[] {
  const value = formatDefault(defaultValue);
  const others = (choices ?? []).filter((choice) => choice !== defaultValue);
  const notes = [
    ...(others.length > 0 ? [`Or ${others.map((choice) => `\`${choice}\``).join(', ')}.`] : []),
    ...(kind === 'schedule' ? ['(expression)'] : []),
  ];
  const meaning = [description, ...notes].join(' ');
  return [`\`${key}\``, `\`--${flagName(key)}\``, value === '' ? '' : `\`${value}\``, meaning];
}

/** A Markdown table with aligned columns, as prettier writes it; the first row is the head. */
function formatTable(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [head, widths.map((width) => '-'.repeat(width)), ...body].map(line).join('\n');
}
