/** Everything that `bench gpu` measures, within its time. */
import { RunError } from '../../errors.js';
import type { Candidate } from '../pairing.js';
import { startPeers } from '../peers.js';
import type { PeerLibrary } from '../peers.js';
import type { UpdateShape } from '../workload.js';
import { describeGpuMachine, gpuState } from './gpu-machine.js';
import type { GpuMachine, GpuState } from './gpu-machine.js';
import type { GpuBenchSettings, GpuShape } from './gpu-options.js';
import { benchLayers } from './layers.js';
import type { LayerBench } from './layers.js';
import { TimeBudget } from './time-budget.js';
import { benchGpuUpdates } from './updates.js';
import type { GpuUpdateBench } from './updates.js';

/** The result of `bench gpu`: what docs/gpu.md describes as gpu-bench.json. */
export interface GpuBench {
  kind: 'rnm-td3 bench gpu';
  /** False on the emulated GPU: its figures say that the benchmark runs, and nothing else. */
  meaningful: boolean;
  machine: GpuMachine;
  /** Clocks, power and memory as found, before and afterwards. */
  gpu: { before: GpuState; after: GpuState };
  settings: GpuBenchSettings;
  seconds: number;
  layers: LayerBench;
  updates: GpuUpdateBench;
  /** What a reader should know of the peers. */
  notes: string[];
}

export interface GpuBenchOptions {
  settings: GpuBenchSettings;
  /** Take PyTorch into the same turns, where a Python has it. */
  peers?: boolean;
  python?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Told what is measured next. */
  onGroup?: (text: string) => void;
}

/** Of the time; the rest is for updates. */
const layerShare = 0.5;

/** @throws RunError if the device cannot be used, or for nothing */
export async function benchGpu(options: GpuBenchOptions): Promise<GpuBench> {
  const { settings, signal, onGroup } = options;
  const start = performance.now();
  const machine = describeGpuMachine(settings.device);
  const before = gpuState();
  const notes = new Set<string>();
  const peers = peerStarter(options, notes);
  const common = { settings, ...(onGroup === undefined ? {} : { onGroup }), signal };
  const whole = new TimeBudget(settings.seconds);
  const layers = await benchLayers({
    ...common,
    budget: new TimeBudget(layerShare * settings.seconds),
    peers: (shape, seconds) => peers('torch-linear', updateShape(shape), seconds),
  });
  const updates = await benchGpuUpdates({
    ...common,
    budget: whole,
    peers: (shape, seconds) => peers('torch-cuda', shape, seconds),
  });
  if (layers.results.length === 0 && updates.updates.length === 0) {
    const [first] = [...layers.omitted, ...updates.omitted];
    throw new RunError(`Nothing could be measured. First, ${first?.what}: ${first?.why}`);
  }
  return {
    kind: 'rnm-td3 bench gpu',
    meaningful: settings.device === 'cuda',
    machine,
    gpu: { before, after: gpuState() },
    settings,
    seconds: (performance.now() - start) / 1e3,
    layers,
    updates,
    notes: [...notes],
  };
}

/** A single layer needs nothing else of an update's shape. */
const updateShape = ({ width, batch }: GpuShape): UpdateShape => ({
  obs: 1,
  act: 1,
  hidden: width,
  batch,
  threads: 1,
  replay: 1,
  gradientRule: 'masked',
});

type PeerStarter = (
  library: PeerLibrary,
  shape: UpdateShape,
  seconds: number,
) => Promise<{ candidates: Candidate[]; close(): void }>;

/** Starts a peer where one is asked for; what it lacks is a note. */
function peerStarter(options: GpuBenchOptions, notes: Set<string>): PeerStarter {
  const { settings, python } = options;
  return async (library, shape, seconds) => {
    const { hidden, batch } = shape;
    const wanted = settings.peerShapes.some((one) => one.width === hidden && one.batch === batch);
    if (options.peers !== true || !wanted) return { candidates: [], close: () => {} };
    const peers = await startPeers({
      shape,
      python,
      libraries: [library],
      startSeconds: Math.max(30, seconds),
      onStart: () => options.onGroup?.(`starting PyTorch for ${hidden}x${batch}`),
    });
    for (const note of peers.notes) notes.add(`${hidden}x${batch}: ${note}`);
    return peers;
  };
}
