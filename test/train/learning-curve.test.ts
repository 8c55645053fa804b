import { describe, expect, test } from '@jest/globals';
import { renderLearningCurve } from '../../lib/train/index.js';

const points = [
  { step: 5000, value: 100, low: 50, high: 150 },
  { step: 10_000, value: 900, low: 500, high: 1000 },
];
const shifted = (by: number) => points.map(({ step, value }) => ({ step, value: value + by }));

/** Paths of a kind in the picture: "line" or "area". */
const marks = (svg: string, kind: string): string[] =>
  [...svg.matchAll(new RegExp(`<g class="mark-${kind}[^]*?</g>`, 'g'))].map(([text]) => text);

/** [x, y, radius] of the first point. */
function pointOf(svg: string): [x: number, y: number, radius: number] {
  const [symbols = ''] = marks(svg, 'symbol role-mark');
  const [, x, y, radius] = /translate\(([\d.]+),([\d.]+)\)" d="M([\d.]+)/.exec(symbols) ?? [];
  return [Number(x), Number(y), Number(radius)];
}

describe('renderLearningCurve', () => {
  test('draws one run with its band, as SVG and PNG of the same shape', async () => {
    const { svg, png } = await renderLearningCurve({
      title: 'Point-v0 <1:4>',
      series: [{ label: 'evaluation', runs: [points] }],
    });
    expect(svg).toContain('Point-v0 &lt;1:4&gt;');
    expect(svg).toContain('Environment steps');
    expect(svg).toContain('Line: mean of noise-free episodes. Band: their minimum and maximum.');
    expect(marks(svg, 'line')).toHaveLength(1);
    expect(marks(svg, 'area')).toHaveLength(1);
    expect(svg).not.toContain('role-legend-label');

    const file = Buffer.from(png);
    expect(file.subarray(0, 8).toString('hex')).toBe('89504e470d0a1a0a');
    const [, width = 0, height = 0] = /width="(\d+)" height="(\d+)"/.exec(svg)?.map(Number) ?? [];
    expect([file.readUInt32BE(16), file.readUInt32BE(20)]).toEqual([2 * width, 2 * height]);
  });

  test("writes with the package's own fonts, in letters of several alphabets", async () => {
    const draw = (title: string) =>
      renderLearningCurve({ title, series: [{ label: 'a', runs: [points] }] });
    // Of the same width in the layout, so that nothing but the letters may differ.
    for (const [one, other] of [
      ['HHHH', 'OOOO'],
      ['ЖЖЖЖ', 'ШШШШ'],
      ['ΨΨΨΨ', 'ΦΦΦΦ'],
      ['1 ± 2', '1 − 2'],
    ]) {
      const [a, b] = [await draw(one!), await draw(other!)];
      const size = (svg: string) => /width="\d+" height="\d+"/.exec(svg)?.[0];
      expect(size(a.svg)).toBe(size(b.svg));
      expect(Buffer.from(a.png).equals(b.png)).toBe(false);
    }
  });

  test('draws the mean over several runs, with a band between their extremes', async () => {
    const alone = await renderLearningCurve({
      title: 'x',
      series: [
        {
          label: 'a',
          runs: [points.map((p) => ({ ...p, low: p.value - 100, high: p.value + 100 }))],
        },
      ],
    });
    const several = await renderLearningCurve({
      title: 'x',
      series: [
        {
          label: 'a',
          runs: [shifted(-100), shifted(30), shifted(70), shifted(0), shifted(100), shifted(-100)],
        },
      ],
    });
    // The mean of these runs is the single run above; so line and band are the same.
    const pathOf = (svg: string, kind: string) =>
      / d="([^"]+)"/.exec(marks(svg, kind)[0] ?? '')?.[1];
    expect(pathOf(several.svg, 'line')).toBe(pathOf(alone.svg, 'line'));
    expect(pathOf(several.svg, 'area')).toBe(pathOf(alone.svg, 'area'));
    expect(several.svg).toContain('Line: mean over seeds. Band: their minimum and maximum.');
  });

  test('a single evaluation is a large point in the middle, with a bar for its range', async () => {
    const draw = (count: number) =>
      renderLearningCurve({
        title: 'x',
        series: [{ label: 'a', runs: [points.slice(0, count)] }],
        episodes: 3,
      });
    const [{ svg }, two] = [await draw(1), await draw(2)];
    expect(svg).toContain('Point: mean of 3 noise-free episodes. Bar: their minimum and maximum.');
    const [x, y, radius] = pointOf(svg);
    expect(x).toBeCloseTo(320, 0);
    expect(radius).toBeGreaterThan(pointOf(two.svg)[2]);
    // The rule's ends: 100 is halfway between 50 and 150.
    const [bar = ''] = marks(svg, 'rule role-mark').filter((g) => g.includes('stroke-width="10"'));
    const [, top, length] = /translate\(320,(-?[\d.]+)\)"[^>]* y2="(-?[\d.]+)"/.exec(bar) ?? [];
    expect(Number(top) + Number(length) / 2).toBeCloseTo(y, 3);
    expect(marks(two.svg, 'rule role-mark').join('')).not.toContain('stroke-width="10"');
  });

  test('names the series in the order given', async () => {
    const { svg } = await renderLearningCurve({
      title: 'x',
      series: ['dense', '2:4', '1:4'].map((label, i) => ({
        label,
        runs: [shifted(-i), shifted(i)],
      })),
    });
    const labels = marks(svg, 'text role-legend-label').map((g) => />([^<]+)<\/text>/.exec(g)?.[1]);
    expect(labels).toEqual(['dense', '2:4', '1:4']);
  });

  test('refuses to draw nothing', async () => {
    await expect(
      renderLearningCurve({ title: 'x', series: [{ label: 'a', runs: [[]] }] }),
    ).rejects.toThrow(/series to be at least one point/);
  });
});
