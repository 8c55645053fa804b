/** Pictures of learning: return against environment steps, as SVG and PNG. */
import { invalidValue } from '../errors.js';
import { extentOf } from '../extent.js';
import { palette, plotStyle, renderPlot } from '../plot.js';

/** One evaluation. */
export interface CurvePoint {
  /** Environment step. */
  step: number;
  /** Mean return. */
  value: number;
  /** Least return of the evaluation; drawn as a band where a series is a single run. */
  low?: number | undefined;
  /** Greatest return of the evaluation. */
  high?: number | undefined;
}

/** A line of the picture: one run, or the mean of several with a band between their extremes. */
export interface CurveSeries {
  /** Name in the legend. */
  label: string;
  /** One list of points for each run (seed), evaluated at the same steps. */
  runs: readonly (readonly CurvePoint[])[];
}

/** What to draw. */
export interface LearningCurveOptions {
  title: string;
  /** Line below the title. Default: what line and band mean. */
  subtitle?: string;
  /** Episodes of each evaluation, for that default. */
  episodes?: number;
  /** In the order of the legend; a single one gets no legend. */
  series: readonly CurveSeries[];
  /** Size of the plot itself in pixels. Default: 640. */
  width?: number;
  /** Default: 360. */
  height?: number;
}

/** One row of the data that the picture is made of. */
interface Row {
  series: string;
  step: number;
  mean: number;
  low: number;
  high: number;
}

/**
 * Draw learning curves.
 *
 * @returns the picture as SVG text and as PNG bytes, at twice the size for sharp screens
 * @throws InvalidValueError when there is nothing to draw
 */
export async function renderLearningCurve(
  options: LearningCurveOptions,
): Promise<{ svg: string; png: Uint8Array }> {
  const rows = options.series.flatMap(({ label, runs }) => summarize(label, runs));
  if (rows.length === 0) throw invalidValue('series', 'at least one point', options.series);

  return renderPlot(describePlot(options, rows));
}

/** One row for each step: a run's own figures, or mean and extremes over several runs. */
function summarize(series: string, runs: CurveSeries['runs']): Row[] {
  const [only] = runs;
  if (only !== undefined && runs.length === 1) {
    return only.map(({ step, value, low = value, high = value }) => {
      return { series, step, mean: value, low, high };
    });
  }
  const steps = new Map<number, number[]>();
  for (const { step, value } of runs.flat()) {
    steps.set(step, [...(steps.get(step) ?? []), value]);
  }
  return [...steps].map(([step, values]) => {
    const { min: low, max: high } = extentOf(values);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return { series, step, mean, low, high };
  });
}

function describePlot(options: LearningCurveOptions, rows: readonly Row[]): object {
  const { title, series, width = 640, height = 360 } = options;
  const labels = series.map(({ label }) => label);
  const steps = new Set(rows.map(({ step }) => step));
  const color = {
    field: 'series',
    type: 'nominal',
    scale: { domain: labels, range: palette },
    legend: labels.length === 1 ? null : { title: null, orient: 'top' },
  };
  const x = {
    field: 'step',
    type: 'quantitative',
    title: 'Environment steps',
    axis: { labelExpr: "datum.value ? format(datum.value, '~s') : '0'", tickCount: 8 },
    scale: { domainMin: 0, ...aroundSingle(steps), nice: false },
  };
  const y = (field: string): object => ({
    field,
    type: 'quantitative',
    title: 'Return',
    axis: { format: ',~f', tickCount: 6 },
    scale: { zero: false, nice: true },
  });
  const range = { y: y('low'), y2: { field: 'high' } };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width,
    height,
    padding: 16,
    background: 'white',
    title: { text: title, subtitle: options.subtitle ?? describeMarks(options, steps.size) },
    data: { values: rows },
    encoding: { x, color },
    layer: [
      { mark: { type: 'area', opacity: 0.16 }, encoding: range },
      // An area has no width there.
      ...(steps.size === 1
        ? [{ mark: { type: 'rule', strokeWidth: 10, opacity: 0.3 }, encoding: range }]
        : []),
      {
        mark: {
          type: 'line',
          strokeWidth: 2.5,
          strokeJoin: 'round',
          point: { size: pointSize(steps.size) },
        },
        encoding: { y: y('mean') },
      },
    ],
    config: plotStyle,
  };
}

/** A single evaluation stands in the middle: at the edge nobody looks for it. */
function aroundSingle(steps: ReadonlySet<number>): { domainMax?: number } {
  const [only = 0] = steps;
  return steps.size === 1 && only > 0 ? { domainMax: 2 * only } : {};
}

/** Area of a point in square pixels: the fewer there are, the more has to be seen of each. */
function pointSize(count: number): number {
  if (count === 1) return 160;
  return count <= 10 ? 70 : 28;
}

function describeMarks({ series, episodes }: LearningCurveOptions, steps: number): string {
  const [line, band] = steps === 1 ? ['Point', 'Bar'] : ['Line', 'Band'];
  const of = series.some(({ runs }) => runs.length > 1)
    ? 'mean over seeds'
    : `mean of ${episodes === undefined ? '' : `${episodes} `}noise-free episodes`;
  return `${line}: ${of}. ${band}: their minimum and maximum.`;
}
