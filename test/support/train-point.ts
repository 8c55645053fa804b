/**
 * A training run for tests that kill it: `train-point.ts <out> <steps>`, where every step saves.
 * Errors go to stderr as "NAME: MESSAGE" with exit code 1; Ctrl-C ends it cleanly.
 */
import { train } from '../../lib/train/index.js';
import { LinearAgent } from './linear-agent.js';
import { PointEnvironment } from './point-environment.js';

const [out = '', steps = ''] = process.argv.slice(2);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
try {
  const result = await train({
    env: new PointEnvironment(),
    evalEnv: new PointEnvironment(),
    agent: new LinearAgent(),
    steps: Number(steps),
    logInterval: 1,
    checkpointInterval: 1,
    evalInterval: 100,
    evalEpisodes: 2,
    out,
    diskPatience: 0,
    signal: stop.signal,
  });
  console.log(JSON.stringify(result));
} catch (error) {
  console.error(`${(error as Error).name}: ${(error as Error).message}`);
  process.exitCode = 1;
}
