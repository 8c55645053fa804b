/** `rnm-td3 info` */
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import type { Command } from 'commander';
import type { CudaReport, DeviceName } from '../device/index.js';
import type { CommandContext } from './program.js';
import { paint, print, printJson } from './terminal.js';

/** What there is to know of this machine and this installation. */
interface Info {
  version: string;
  node: string;
  system: string;
  cpu: { model: string; cores: number; memoryGiB: number };
  /** Where the addon was found, or why there is none. */
  addon: { path: string } | { error: string };
  /** Instruction sets whose kernels this processor can run, best first. */
  isas: string[];
  /** The devices of this build as they would be used. */
  devices: { name: string; description: string; isa: string; threads: number }[];
  /** What CUDA finds on this machine; null if this build has no CUDA. */
  cuda: CudaReport | null;
  /** As what tensor cores take common patterns; empty if this build has no CUDA. */
  patterns: CudaReport['patterns'];
  environments: string[];
}

/** Add flags and action to the command. */
export function define(command: Command, context: CommandContext): void {
  command
    .option('--json', 'Print one JSON object on standard output, and nothing else.')
    .action(async ({ json }: { json?: boolean }) => {
      const { stdout } = context.terminal;
      const info = await collectInfo();
      if (json === true) printJson(stdout, info);
      else {
        for (const [name, text] of describeInfo(info)) {
          // A heading alone needs no column.
          const title = text === '' ? name : name.padEnd(16);
          print(stdout, `${paint(stdout, 'dim', title)}${text}`);
        }
      }
      if ('error' in info.addon) context.exit(1);
    });
}

async function collectInfo(): Promise<Info> {
  const { packageVersion } = await import('../train/package-version.js');
  const { environmentIds } = await import('../envs/index.js');
  return {
    version: packageVersion,
    node: process.version,
    system: `${process.platform} ${process.arch}, kernel ${release()}`,
    cpu: {
      model: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      memoryGiB: Math.round(totalmem() / 2 ** 30),
    },
    ...(await collectDevices()),
    environments: environmentIds(),
  };
}

/** This command helps to find out why the addon does not load, so that is no reason to stop. */
async function collectDevices(): Promise<
  Pick<Info, 'addon' | 'isas' | 'devices' | 'cuda' | 'patterns'>
> {
  const { availableIsas, cudaReport, Device, loadAddon } = await import('../device/index.js');
  try {
    const { path } = loadAddon();
    const cuda = cudaReport();
    const emulated = cudaReport({ emulated: true });
    const names: DeviceName[] = ['cpu'];
    if (cuda?.status === 'usable') names.push('cuda');
    if (emulated?.status === 'usable') names.push('cuda-emulated');
    const devices = names.map((name) => {
      const device = new Device({ device: name });
      const { description, isa, threads } = device.info;
      device.close();
      return { name, description, isa, threads };
    });
    const { patterns } = cuda ?? emulated ?? { patterns: [] };
    return { addon: { path }, isas: availableIsas(), devices, cuda, patterns };
  } catch (error) {
    const addon = { error: (error as Error).message };
    return { addon, isas: [], devices: [], cuda: null, patterns: [] };
  }
}

/** One line where CUDA is used or not part of the build; else also what is wrong. */
function describeCuda(cuda: CudaReport | null): [name: string, text: string][] {
  if (cuda === null) return [['  cuda', 'not part of this build']];
  const libraries = cuda.libraries.map(({ name, version, problem }): [string, string] => {
    return [`    ${name}`, problem === '' ? version : problem];
  });
  if (cuda.status === 'usable') return libraries;
  return [['  cuda', `not usable (${cuda.status}): ${cuda.problem}`], ...libraries];
}

/** Which patterns have sparse tensor cores, under each precision. */
function describePatterns(patterns: CudaReport['patterns']): [name: string, text: string][] {
  if (patterns.length === 0) return [];
  const line = (cells: string[]) =>
    cells
      .map((cell) => cell.padEnd(16))
      .join('')
      .trimEnd();
  const path = (name: string) => (name === '' ? 'masked dense' : `sparse as ${name}`);
  return [
    ['CUDA patterns', line(['bf16', 'tf32', 'fp32'])],
    ...patterns.map(({ pattern, bf16, tf32, fp32 }): [string, string] => {
      return [`  ${pattern}`, line([bf16, tf32, fp32].map(path))];
    }),
    ['', 'masked dense: no hardware path; sparse: where it was measured to be faster'],
  ];
}

function describeInfo(info: Info): [name: string, text: string][] {
  const { cpu, addon } = info;
  return [
    ['rnm-td3', info.version],
    ['Node', info.node],
    ['System', info.system],
    ['Processor', `${cpu.model}, ${cpu.cores} cores, ${cpu.memoryGiB} GiB memory`],
    ['Addon', 'path' in addon ? addon.path : addon.error],
    ['SIMD', info.isas.join(', ') || '-'],
    ['Devices', ''],
    ...info.devices.map(({ name, description, threads }): [string, string] => {
      return [`  ${name}`, name === 'cpu' ? `${description}, ${threads} threads` : description];
    }),
    ...describeCuda(info.cuda),
    ...describePatterns(info.patterns),
    ...info.environments.map((id, i): [string, string] => [i === 0 ? 'Tasks' : '', id]),
  ];
}
