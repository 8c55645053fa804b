/** The picture of what sparsity gains: speedup against width, with the ideal line of each pattern. */
import { palette, plotStyle, renderPlot } from '../plot.js';
import { parsePattern } from '../td3/pattern.js';
import type { Speedup, SpeedupPoint } from './speedup.js';

/** Ratios up to here get a grid line. */
const ticks = [0.25, 0.5, 1, 2, 4, 8, 16, 32];

/** Draw the picture, as SVG text and PNG bytes. */
export function renderSpeedup(speedup: Speedup): Promise<{ svg: string; png: Uint8Array }> {
  return renderPlot(describePlot(speedup));
}

function describePlot({ env, shape, updates, trainingSteps }: Speedup): object {
  const names = [...new Set(updates.map(({ name }) => name))];
  const { obs, act, batch } = shape;
  const subtitle = `Observations ${obs}, actions ${act}, two hidden layers, batch ${batch}. `;
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    padding: 16,
    background: 'white',
    title: {
      text: 'Speedup over dense networks',
      subtitle: `${subtitle}Dashed: the share of multiplications saved. Bars: 95% interval.`,
    },
    hconcat: [
      panel('Updates', updates, names),
      panel(`Training steps on ${env}, everything included`, trainingSteps, names),
    ],
    spacing: 40,
    resolve: { legend: { color: 'shared' } },
    config: plotStyle,
  };
}

function panel(title: string, points: readonly SpeedupPoint[], names: readonly string[]): object {
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
    scale: { type: 'log', base: 2 },
    axis: { values: ticks, format: '~g' },
  });
  const color = {
    field: 'name',
    type: 'nominal',
    scale: { domain: names, range: palette },
    legend: { title: null, orient: 'top', columns: 5 },
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

/** M/N for N:M, null for what has no pattern. */
function idealOf(name: string): number | null {
  if (!/^\d+:\d+$/.test(name)) return null;
  const pattern = parsePattern('pattern', name);
  return pattern === null ? null : pattern.m / pattern.n;
}
