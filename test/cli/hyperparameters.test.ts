import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { hyperparameterPage, hyperparameterTable } from '../../lib/cli/hyperparameters.js';
import { runConfigSchema } from '../../lib/cli/train-config.js';

const path = 'docs/hyperparameters.md';

test('docs/hyperparameters.md says what the schemas say (UPDATE_DOCS=1 npm test writes it)', () => {
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(path, hyperparameterPage());
  expect(readFileSync(path, 'utf8')).toBe(hyperparameterPage());
});

test('the table has a row for every option but the task', () => {
  const rows = hyperparameterTable().match(/^\| `\w+`/gm) ?? [];
  const keys = Object.keys(runConfigSchema.shape).filter((key) => key !== 'env');
  expect(rows.map((row) => row.slice(3, -1)).toSorted()).toEqual(keys.toSorted());
});
