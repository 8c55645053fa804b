/**
 * Sizes and views whose rows begin at 16 bytes and others: samples and conversions are the same copies,
 * whether a GPU makes them four numbers at a time or one by one.
 */
import { describe, expect, test } from '@jest/globals';
import { deviation, randomFloats } from './reference.js';
import { onCpu, openDevices } from './support.js';

const open = openDevices();
const rows = 70;

describe('samples are whole transitions', () => {
  const device = open();

  // Observations of 15 and one action put next observations at 16 bytes too; 300 is more than a warp's turn.
  test.each([
    [1, 1],
    [4, 2],
    [15, 1],
    [17, 6],
    [16, 3],
    [130, 5],
    [300, 3],
  ])('of %i observations and %i actions', (observationSize, actionSize) => {
    const sizes = { observationSize, actionSize };
    const replay = device.replay({ capacity: 50, ...sizes });
    const { rowLength } = replay;
    const stored = randomFloats(67 * rowLength, observationSize);
    replay.append(stored);
    // The ring went round: 17 rows are gone.
    const kept = stored.subarray(17 * rowLength);
    expect(replay.read(0, 50)).toEqual(kept);
    const both = device.matrix(rows, observationSize + actionSize + 1);
    const next = device.matrix(rows, observationSize + 3);
    const [reward, discount] = [device.matrix(rows, 1), device.matrix(rows, 1)];
    for (const matrix of [both, next]) device.fill(matrix, NaN);
    for (const first of [0, 1]) {
      const nextObservation = next.view(first, observationSize);
      const action = both.view(observationSize, actionSize);
      const observation = both.view(0, observationSize);
      replay.sample(3, first, { observation, action, reward, nextObservation, discount });
      const parts = [observation, action, reward, nextObservation, discount].map((view) => ({
        values: view.matrix.get(view),
        columns: view.columns,
      }));
      for (let b = 0; b < rows; b++) {
        const row = parts.flatMap(({ values, columns }) => [
          ...values.subarray(b * columns, (b + 1) * columns),
        ]);
        const place = kept.indexOf(row[0]!) / rowLength;
        expect(row).toEqual([...kept.subarray(place * rowLength, (place + 1) * rowLength)]);
      }
    }
    // Columns beside the views.
    expect(both.get().filter(Number.isNaN).length).toBe(rows);
    expect(next.get().filter(Number.isNaN).length).toBe(2 * rows);
  });
});

describe.each(onCpu ? (['fp32'] as const) : (['fp32', 'bf16'] as const))(
  'inputs, %s',
  (precision) => {
    const device = open({ precision });

    test.each([1, 3, 4, 7, 16, 33])('of %i columns, wherever they begin', (inputs) => {
      const mlp = device.mlp({ sizes: [inputs, 24, 5], seed: 9 });
      const values = randomFloats(rows * inputs, inputs);
      const outputs = [0, 1, 4, 6].map((first) => {
        const x = device.matrix(rows, inputs + 7);
        device.fill(x, NaN);
        x.set(values, x.view(first, inputs));
        const y = device.matrix(rows, 5);
        mlp.forward(x.view(first, inputs), y);
        return y.get();
      });
      expect(outputs[0]!.every(Number.isFinite)).toBe(true);
      for (const output of outputs) {
        if (precision === 'bf16') expect(output).toEqual(outputs[0]);
        // In fp32 inputs are read where they lie, by what may be another algorithm.
        else expect(deviation(output, outputs[0]!)).toBeLessThan(1e-5);
      }
    });
  },
);
