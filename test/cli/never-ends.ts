/** A program whose task does not listen to its signal; for main.test.ts. */
import { setTimeout } from 'node:timers/promises';
import { withSignals } from '../../lib/cli/signals.js';

await withSignals(
  async () => {
    console.log('ready');
    await setTimeout(600_000);
  },
  () => console.log('stopping'),
);
