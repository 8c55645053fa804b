/** What a result on a GPU depends on: the GPU, its clocks, driver and libraries, and this code. */
import { spawnSync } from 'node:child_process';
import { cpus, release } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cudaReport, Device } from '../../device/index.js';
import { RunError } from '../../errors.js';
import { packageVersion } from '../../train/package-version.js';

/** A device for measurements and for tests of a GPU. */
export type GpuName = 'cuda' | 'cuda-emulated';

export interface GpuMachine {
  device: GpuName;
  /** The GPU, CUDA's versions and cuBLASLt's, one line. */
  description: string;
  /** For example "sm_90". */
  architecture: string;
  /** Versions of the libraries; empty where one cannot be used. */
  libraries: Record<string, string>;
  processor: string;
  system: string;
  node: string;
  /** Of rnm-td3. */
  version: string;
  /** Of the checkout, with "-dirty" if files were changed; null outside of one. */
  commit: string | null;
  /** ISO 8601. */
  date: string;
}

/** Settings and state of the GPUs as `nvidia-smi` shows them; null where it does not run. */
export type GpuState = Record<string, string>[] | null;

/**
 * Open the device once and describe it.
 *
 * @throws RunError that says in one line why there is no such device
 */
export function describeGpuMachine(device: GpuName): GpuMachine {
  const { description, isa } = openOnce(device);
  const libraries = cudaReport({ emulated: device === 'cuda-emulated' })?.libraries ?? [];
  return {
    device,
    description,
    architecture: isa,
    libraries: Object.fromEntries(libraries.map(({ name, version }) => [name, version])),
    processor: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
    system: `${process.platform} ${process.arch}, kernel ${release()}`,
    node: process.version,
    version: packageVersion,
    commit: commit(),
    date: new Date().toISOString(),
  };
}

function openOnce(name: GpuName): Device['info'] {
  try {
    const device = new Device({ device: name });
    const { info } = device;
    device.close();
    return info;
  } catch (error) {
    throw new RunError((error as Error).message.replaceAll(/\s*\n\s*/g, ' '), { cause: error });
  }
}

function commit(): string | null {
  const cwd = dirname(fileURLToPath(import.meta.url));
  const args = ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'];
  const { status, stdout } = spawnSync('git', args, { cwd, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}

const asked = [
  'name',
  'driver_version',
  'clocks.sm',
  'clocks.max.sm',
  'clocks.mem',
  'power.draw',
  'power.limit',
  'temperature.gpu',
  'utilization.gpu',
  'memory.used',
  'memory.total',
  'mig.mode.current',
];

/** Ask `nvidia-smi`; nothing is changed. */
export function gpuState(): GpuState {
  const args = [`--query-gpu=${asked.join(',')}`, '--format=csv,noheader'];
  const { status, stdout } = spawnSync('nvidia-smi', args, { encoding: 'utf8', timeout: 10_000 });
  if (status !== 0 || typeof stdout !== 'string') return null;
  const lines = stdout.trim().split('\n');
  return lines.map((line) => {
    const values = line.split(', ');
    return Object.fromEntries(asked.map((name, i) => [name, values[i] ?? '']));
  });
}
