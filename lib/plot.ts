/** Pictures of measurements: from a Vega-Lite description to SVG and PNG. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Distinct for colour-blind readers too, and readable on white (Okabe and Ito). */
export const palette = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#000000',
];
const font = '"DejaVu Sans", Helvetica, Arial, sans-serif';

/** Fonts of the package: see fonts/README.md. */
const fonts = join(dirname(dirname(fileURLToPath(import.meta.url))), 'fonts');
const fontFiles = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((name) => join(fonts, name));
/** A character that these fonts lack. */
const otherCharacter =
  /[^\n\r\t -~\u00a0-\u017f\u0370-\u03ff\u0400-\u045f\u2010-\u2026\u2190-\u2193\u2212\u221e\u2248\u2260-\u2265]/u;

/**
 * Draw what a Vega-Lite specification describes.
 *
 * @returns the picture as SVG text and as PNG bytes, at twice the size for sharp screens
 */
export async function renderPlot(description: object): Promise<{ svg: string; png: Uint8Array }> {
  // Loading these takes most of a second: only when a picture is wanted.
  const vega = await import('vega');
  const vegaLite = await import('vega-lite');
  const { Resvg } = await import('@resvg/resvg-js');
  const spec = vegaLite.compile(description as never).spec;
  const view = new vega.View(vega.parse(spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  const picture = new Resvg(svg, {
    background: 'white',
    fitTo: { mode: 'zoom', value: 2 },
    // The machine's own would make the picture another on each, and there may be none.
    font: {
      fontFiles,
      defaultFontFamily: 'DejaVu Sans',
      loadSystemFonts: otherCharacter.test(svg),
    },
  });
  return { svg, png: picture.render().asPng() };
}

/** How all pictures look: the `config` of a description. */
export const plotStyle = {
  font,
  view: { stroke: null },
  title: {
    anchor: 'start',
    fontSize: 17,
    fontWeight: 600,
    subtitleFontSize: 12,
    subtitleColor: '#666',
    subtitlePadding: 6,
    offset: 14,
  },
  axis: {
    labelFontSize: 12,
    titleFontSize: 13,
    titleFontWeight: 'normal',
    titlePadding: 10,
    labelColor: '#444',
    titleColor: '#222',
    gridColor: '#e6e6e6',
    domainColor: '#999',
    tickColor: '#999',
  },
  axisX: { grid: false, labelFlush: false },
  axisY: { domain: false, ticks: false, labelPadding: 6, titlePadding: 0 },
  legend: {
    labelFontSize: 13,
    symbolType: 'stroke',
    symbolSize: 260,
    symbolStrokeWidth: 3,
    symbolOpacity: 1,
    columnPadding: 24,
    offset: 10,
  },
};
