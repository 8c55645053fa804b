/** Networks on a device beside their plain references, with the same random weights. */
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { Device, availableIsas } from '../../lib/device/index.js';
import type {
  DeviceName,
  DeviceOptions,
  Mlp,
  MlpOptions,
  NmMatrix,
} from '../../lib/device/index.js';
import type { NativeAddon, NativeDevice, NativeNetworkSpec } from '../../lib/device/native.js';
import { projectMask, randomFloats } from './reference.js';
import type { Pattern, ReferenceNetwork } from './reference.js';

/** The device that the suites are for: RNM_TEST_DEVICE, else the CPU. */
export const testDevice = (process.env['RNM_TEST_DEVICE'] ?? 'cpu') as DeviceName;
export const onCpu = testDevice === 'cpu';
// What suites measure on a device is not to be found among what a user's runs have measured.
if (!onCpu) {
  process.env['RNM_CACHE_DIR'] ??= join(import.meta.dirname, '..', '..', 'build', 'test-cache');
}

/** The device's variants that have kernels of their own, with names for test titles. */
export const variants: [name: string, options: DeviceOptions][] = onCpu
  ? availableIsas().map((isa) => [isa, { device: 'cpu', isa }])
  : [[testDevice, { device: testDevice, precision: 'fp32' }]];

/** For the top of a suite: a function that opens devices, which are closed after its tests. */
export function openDevices(defaults: DeviceOptions = {}): (options?: DeviceOptions) => Device {
  const devices: Device[] = [];
  afterAll(() => devices.forEach((device) => device.close()));
  return (options) => {
    const device = new Device({ device: testDevice, threads: 2, ...defaults, ...options });
    devices.push(device);
    return device;
  };
}

/** The native class of the device, with its defaults and no folder for what it measures. */
export function openNative(addon: NativeAddon): NativeDevice {
  return new addon.Device(testDevice, 1, '', 'fp32', 'auto', 'dense', 'auto', '');
}

/** What the native class of networks takes for one dense layer. */
export function oneDenseLayer(inputs: number, outputs: number): NativeNetworkSpec {
  return {
    sizes: [inputs, outputs],
    patterns: [0, 0],
    maskShape: 'row',
    members: 1,
    rule: 'masked',
    srLambda: 0,
    densityPower: 0,
    initialScale: 'dense',
    newMoment: 'zero',
    low: new Float32Array(0),
    high: new Float32Array(0),
    role: 'online',
    seed: 0,
    stream: 0,
  };
}

export interface Pair {
  mlp: Mlp;
  references: ReferenceNetwork[];
}

/** A network and its references (one for each member), all weights drawn from `seed`. */
export function makePair(device: Device, options: MlpOptions, seed: number): Pair {
  const mlp = device.mlp(options);
  const references = Array.from({ length: mlp.members }, (_, member) =>
    makeReference(mlp, options, member, seed + 1000 * member),
  );
  return { mlp, references };
}

function makeReference(mlp: Mlp, options: MlpOptions, member: number, seed: number) {
  const layers = Array.from({ length: mlp.layers }, (_, l) => {
    const [inputs, outputs] = [mlp.sizes[l]!, mlp.sizes[l + 1]!];
    const weight = randomFloats(inputs * outputs, seed + 10 * l, 1.5 / Math.sqrt(inputs));
    const bias = randomFloats(outputs, seed + 10 * l + 5, 0.3);
    mlp.write(l, 'weight', weight, member);
    mlp.write(l, 'bias', bias, member);
    const mask = projectMask(weight, inputs, options.patterns?.[l] ?? null);
    return {
      inputs,
      outputs,
      weight: Float64Array.from(weight),
      bias: Float64Array.from(bias),
      mask,
    };
  });
  mlp.updateMasks();
  const { outputRange } = options;
  if (outputRange === undefined) return { layers };
  return { layers, range: { low: [...outputRange.low], high: [...outputRange.high] } };
}

/** Which weights of a matrix are active, [outputs, inputs]. */
export function maskOf(matrix: NmMatrix): Uint8Array {
  const mask = new Uint8Array(matrix.outputs * matrix.inputs);
  const perRow = matrix.values.length / matrix.outputs;
  matrix.columns.forEach((column, k) => {
    mask[Math.floor(k / perRow) * matrix.inputs + column] = 1;
  });
  return mask;
}

/** Shapes and patterns that leave remainders everywhere: groups, vectors, row blocks, tiles. */
export const shapes: { name: string; sizes: number[]; patterns: (Pattern | null)[] }[] = [
  { name: 'dense', sizes: [17, 33, 31, 6], patterns: [null, null, null] },
  { name: '2:4', sizes: [17, 33, 31, 6], patterns: Array(3).fill({ n: 2, m: 4 }) },
  { name: '1:4', sizes: [23, 40, 37, 5], patterns: Array(3).fill({ n: 1, m: 4 }) },
  { name: '1:8', sizes: [11, 65, 30, 3], patterns: Array(3).fill({ n: 1, m: 8 }) },
  { name: '3:7', sizes: [20, 29, 41, 2], patterns: Array(3).fill({ n: 3, m: 7 }) },
  { name: '4:4', sizes: [9, 18, 4], patterns: Array(2).fill({ n: 4, m: 4 }) },
  { name: '1:32', sizes: [70, 66, 1], patterns: Array(2).fill({ n: 1, m: 32 }) },
  { name: '31:32', sizes: [45, 34, 2], patterns: Array(2).fill({ n: 31, m: 32 }) },
  {
    name: 'hidden only',
    sizes: [12, 24, 24, 3],
    patterns: [null, { n: 2, m: 4 }, null],
  },
  { name: 'one unit', sizes: [1, 1, 1], patterns: [{ n: 1, m: 2 }, null] },
];

export const batches = [1, 31, 32, 33, 256];
