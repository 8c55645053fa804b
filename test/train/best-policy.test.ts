import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { Td3Agent } from '../../lib/td3/agent.js';
import type { Td3Options } from '../../lib/td3/config.js';
import { makeEnv } from '../../lib/envs/index.js';
import {
  RunFolder,
  decodeSafetensors,
  evaluate,
  readCheckpointFile,
  train,
} from '../../lib/train/index.js';
import { temporaryFolders } from '../support/temporary-folder.js';
import { runCommand } from '../cli/support.js';

const newFolder = temporaryFolders();

test('the policy of the best evaluation is kept, and its evaluation can be repeated', async () => {
  const env = await makeEnv('InvertedPendulum-v5');
  const evalEnv = await makeEnv('InvertedPendulum-v5');
  const { observationSize, actionSize, actionLow, actionHigh } = env;
  const spaces = { observationSize, actionSize, actionLow, actionHigh };
  const options = { hiddenSizes: [16], batchSize: 32, learningStarts: 100, threads: 1, seed: 2 };
  const agent = new Td3Agent({ ...spaces, ...options, device: 'cpu' });
  const out = join(newFolder(), 'run');
  const loop = { steps: 1500, evalInterval: 250, evalEpisodes: 3, seed: 7, out };
  const { bestEvaluation, evaluations } = await train({ env, evalEnv, agent, ...loop });
  const best = evaluations.reduce((a, b) => (b.mean > a.mean ? b : a));
  expect(bestEvaluation).toEqual(best);
  // Else the test says nothing.
  expect(best.step).not.toBe(1500);

  const run = RunFolder.open(out);
  const { metadata } = decodeSafetensors(readFileSync(run.bestPolicyPath));
  expect(metadata).toMatchObject({
    steps: String(best.step),
    evaluation_return: String(best.mean),
    evaluation_seed: String(best.seed),
    evaluation_episodes: '3',
  });
  const { config, state, steps } = readCheckpointFile(run.bestCheckpointPath);
  expect(steps).toBe(best.step);
  expect(state.tensors).not.toHaveProperty('replay.rows');
  const again = new Td3Agent(config as Td3Options);
  again.loadState(state);
  const repeated = await evaluate(again, env, { episodes: 3, seed: best.seed });
  expect(repeated.returns).toEqual(best.returns);

  const flags = ['--json', '--best', '--episodes=3', `--seed=${best.seed}`, '--device=cpu'];
  const { code, out: text } = await runCommand('eval', out, ...flags);
  expect(code).toBe(0);
  expect(JSON.parse(text)).toMatchObject({ steps: best.step, returns: best.returns });
  const last = await runCommand('eval', out, ...flags.filter((flag) => flag !== '--best'));
  expect(JSON.parse(last.out)).toMatchObject({ steps: 1500, returns: evaluations.at(-1)!.returns });

  const file = join(newFolder(), 'best.safetensors');
  expect((await runCommand('export', out, '--best', '--out', file)).code).toBe(0);
  expect(readFileSync(file).equals(readFileSync(run.bestPolicyPath))).toBe(true);
});

test('without an evaluation there is none, and eval --best says so', async () => {
  const out = join(newFolder(), 'run');
  const flags = ['--steps=50', '--learning-starts=60', '--hidden-sizes=8', '--eval-episodes=1'];
  await runCommand('train', 'InvertedPendulum-v5', ...flags, '--threads=1', '--out', out);
  const { bestPolicyPath, bestCheckpointPath } = RunFolder.open(out);
  expect(existsSync(bestPolicyPath)).toBe(true);
  const { rmSync } = await import('node:fs');
  rmSync(bestCheckpointPath);
  const { code, err } = await runCommand('eval', out, '--best');
  expect(code).toBe(1);
  expect(err).toMatch(/to have a best policy but received none.*Leave out --best/);
});
