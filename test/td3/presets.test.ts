import { describe, expect, test } from '@jest/globals';
import { environmentIds } from '../../lib/envs/index.js';
import { resolveConfig } from '../../lib/td3/config.js';
import { findPreset } from '../../lib/td3/presets.js';

const spaces = { observationSize: 17, actionSize: 6, actionLow: -1, actionHigh: 1 };

describe('presets', () => {
  test.each(environmentIds())(
    'what %s sets is not the default, and says where it comes from',
    (env) => {
      const preset = findPreset('task', env);
      if (preset === undefined) return;
      const config = resolveConfig({ ...spaces, ...preset.options });
      const defaults = resolveConfig(spaces);
      for (const key of Object.keys(preset.options) as (keyof typeof config)[]) {
        expect([key, config[key]]).not.toEqual([key, defaults[key]]);
      }
      expect(Object.keys(preset.options).length).toBeGreaterThan(0);
      expect(preset.source).toMatch(/^.{20,}[^.]$/);
    },
  );

  test('there is none for tasks that nobody knows, and none by name', () => {
    expect(findPreset('task', 'MyTask-v0')).toBeUndefined();
    expect(findPreset('task', 'toString')).toBeUndefined();
    expect(findPreset('none', 'Hopper-v5')).toBeUndefined();
  });

  test("the paper's networks are sparse in every layer and learn at one rate, for any task", () => {
    for (const env of ['Hopper-v5', 'MyTask-v0']) {
      const preset = findPreset('paper', env);
      const config = resolveConfig({ ...spaces, sparsity: '1:8', ...preset?.options });
      expect(config).toMatchObject({
        sparseLayers: 'all',
        densityPower: 0,
        initialScale: 'dense',
        maskRule: 'magnitude',
        targetMask: 'project',
        dormantDecay: 1,
      });
    }
  });
});
