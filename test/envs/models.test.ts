import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { MujocoEnvironment } from '../../lib/envs/index.js';
import { makeTask, numbersOf, specifications, taskIds, worstError } from './reference.js';

/** The model's arrays of booleans cannot be read whole; their elements can. */
const booleans: Record<
  string,
  (model: MujocoEnvironment['simulation']['model'], i: number) => unknown
> = {
  jnt_limited: (model, i) => model.jnt(i).limited,
  actuator_ctrllimited: (model, i) => model.actuator(i).ctrllimited,
  tendon_limited: (model, i) => model.tendon(i)._limited,
};

/** Errors of compiled arrays: these are sums of a few products, good to the last digits. */
const tolerance = 1e-12;

describe.each(taskIds)('the model of %s', (id) => {
  const { model: expected, ...specification } = specifications[id];
  let env: MujocoEnvironment;

  beforeAll(async () => {
    env = await makeTask(id);
  });
  afterAll(() => env.close());

  test('has the sizes and ranges of Gymnasium', () => {
    expect(env.id).toBe(id);
    expect(env.observationSize).toBe(specification.observation_dim);
    expect(env.actionSize).toBe(specification.action_dim);
    expect(Array.from(env.actionLow)).toEqual(specification.action_low);
    expect(Array.from(env.actionHigh)).toEqual(specification.action_high);
    expect(env.dt).toBeCloseTo(specification.dt, 15);
    expect(env.maxEpisodeSteps).toBe(specification.max_episode_steps);
  });

  test('has the options and defaults of Gymnasium', () => {
    const { model, maxEpisodeSteps, ...options } = env.options;
    expect(model).toContain('<mujoco');
    expect(maxEpisodeSteps).toBe(specification.max_episode_steps);
    const camelCase = (name: string): string =>
      name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    const defaults = Object.fromEntries(
      Object.entries(specification.defaults)
        .filter(([name]) => name !== 'xml_file')
        .map(([name, value]) => [camelCase(name), value]),
    );
    const infinitiesAsText = JSON.parse(
      JSON.stringify(options, (_, value: unknown) =>
        value === Infinity || value === -Infinity ? String(value) : value,
      ),
    ) as unknown;
    expect(infinitiesAsText).toEqual(defaults);
  });

  test('has the names of Gymnasium', () => {
    const { model } = env.simulation;
    const names = (count: number, name: (i: number) => string): string[] =>
      Array.from({ length: count }, (_, i) => name(i));
    expect({
      body: names(model.nbody, (i) => model.body(i).name),
      joint: names(model.njnt, (i) => model.jnt(i).name),
      geom: names(model.ngeom, (i) => model.geom(i).name),
      actuator: names(model.nu, (i) => model.actuator(i).name),
      site: names(model.nsite, (i) => model.site(i).name),
    }).toEqual(expected.names);
  });

  test('compiles to the same arrays', () => {
    const model = env.simulation.model as unknown as Record<string, unknown>;
    const { opt: _opt, names: _names, total_mass: totalMass, ...arrays } = expected;
    const errors: Record<string, number> = {};
    for (const [key, value] of Object.entries(arrays)) {
      const wanted = numbersOf(value);
      const read = booleans[key];
      const actual =
        read === undefined
          ? numbersOf(model[key])
          : wanted.map((_, i) => Number(read(env.simulation.model, i)));
      const error = worstError(actual, wanted);
      if (error > tolerance) errors[key] = error;
    }
    expect(errors).toEqual({});
    const mass = env.simulation.bodyMass.reduce((sum, value) => sum + value, 0);
    expect(Math.abs(mass / Number(totalMass) - 1)).toBeLessThan(tolerance);
  });

  test('is stepped with the same settings', () => {
    const settings = env.simulation.model.opt as unknown as Record<string, unknown>;
    for (const [key, value] of Object.entries(expected.opt)) {
      expect([key, numbersOf(settings[key])]).toEqual([key, numbersOf(value)]);
    }
  });
});
