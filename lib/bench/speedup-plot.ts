/** The picture of what sparsity gains: speedup against width, with the ideal line of each pattern. */
import { extentOf } from '../extent.js';
import { palette, plotStyle, renderPlot } from '../plot.js';
import { parsePattern, sparseLayers } from '../td3/pattern.js';
import type { Speedup, SpeedupPoint } from './speedup.js';

/** Ratios up to here get a grid line. */
const ticks = [0.25, 0.5, 1, 2, 4, 8, 16, 32];

/** Draw the picture, as SVG text and PNG bytes. */
export function renderSpeedup(speedup: Speedup): Promise<{ svg: string; png: Uint8Array }> {
  return renderPlot(describePlot(speedup));
}

function describePlot({ env, shape, updates: measured, trainingSteps }: Speedup): object {
  const updates = readable(measured);
  const names = [...new Set(updates.map(({ name }) => name))];
  // One scale for both panels: what an environment takes away is to be seen.
  const values = [...updates, ...trainingSteps].flatMap(({ name, ratio, low, high }) => {
    return [ratio, low, high, idealOf(name) ?? 1];
  });
  const { min, max } = extentOf(values);
  const domain = [min * 0.95, max * 1.05];
  const { obs, act, batch, threads } = shape;
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    padding: 16,
    background: 'white',
    title: {
      text: 'Speedup over dense networks',
      subtitle: [
        `Observations ${obs}, actions ${act}, two hidden layers, batch ${batch}, ${threads} threads.`,
        `Sparse layers: ${shape.sparseLayers ?? sparseLayers[0]}. Dashed: ideal, as multiplications saved. Bars: 95% interval.`,
      ],
    },
    hconcat: [
      panel({ title: 'Updates', points: updates, names, domain, legend: false }),
      panel({
        title: `Training steps on ${env}, everything included`,
        points: trainingSteps,
        names,
        domain,
        legend: true,
      }),
    ],
    spacing: 40,
    resolve: { legend: { color: 'independent' } },
    config: plotStyle,
  };
}

/** Ours, and of the peers the textbook code and the fastest: more lines than that nobody reads. */
function readable(points: readonly SpeedupPoint[]): SpeedupPoint[] {
  const isPeer = ({ name }: SpeedupPoint) => name !== 'dense' && idealOf(name) === null;
  const fastest = points.filter(isPeer).toSorted((a, b) => b.ratio - a.ratio)[0]?.name;
  return points.filter((point) => {
    return !isPeer(point) || point.name === 'torch eager' || point.name === fastest;
  });
}

interface Panel {
  title: string;
  points: readonly SpeedupPoint[];
  names: readonly string[];
  /** Ends of the y axis. */
  domain: number[];
  legend: boolean;
}

function panel({ title, points, names, domain, legend }: Panel): object {
  const widths = [...new Set(points.map(({ width }) => width))];
  const rows = points.map((point) => ({ ...point, ideal: idealOf(point.name) }));
  const x = {
    field: 'width',
    type: 'quantitative',
    title: 'Width of the hidden layers',
    scale: { type: 'log', base: 2, nice: false },
    axis: { values: widths, format: '~d' },
  };
  const y = (field: string): object => ({
    field,
    type: 'quantitative',
    title: 'Times as fast',
    scale: { type: 'log', base: 2, domain, nice: false },
    axis: { values: ticks, format: '~g' },
  });
  const color = {
    field: 'name',
    type: 'nominal',
    scale: { domain: names, range: palette },
    legend: legend ? { title: null, orient: 'right' } : null,
  };
  return {
    title: { text: title, fontSize: 13, fontWeight: 'normal', offset: 8 },
    width: 380,
    height: 340,
    data: { values: rows },
    encoding: { x, color },
    layer: [
      {
        transform: [{ filter: 'isValid(datum.ideal)' }],
        mark: { type: 'line', strokeDash: [4, 4], strokeWidth: 1.2, opacity: 0.7 },
        encoding: { y: y('ideal') },
      },
      { mark: { type: 'rule', strokeWidth: 2 }, encoding: { y: y('low'), y2: { field: 'high' } } },
      {
        mark: { type: 'line', strokeWidth: 2.5, strokeJoin: 'round', point: { size: 36 } },
        encoding: { y: y('ratio') },
      },
    ],
  };
}

/** M/N where all sparse layers have N:M, as in "1:8,1:8,dense"; null where they differ, or for a peer. */
function idealOf(name: string): number | null {
  const sparse = new Set(name.split(',').filter((item) => item !== 'dense'));
  const [only = ''] = sparse;
  if (sparse.size !== 1 || !/^\d+:\d+$/.test(only)) return null;
  const pattern = parsePattern('pattern', only);
  return pattern === null ? null : pattern.m / pattern.n;
}
