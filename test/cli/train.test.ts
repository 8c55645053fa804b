/** Training from the command line, and what can be done with its run folder afterwards. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runCommandLine } from '../../lib/cli/program.js';
import { decodeSafetensors } from '../../lib/train/index.js';
import { makeTemporaryFolder } from '../support/temporary-folder.js';
import { captureTerminal } from './support.js';

const small = [
  ...['--steps', '300', '--learning-starts', '100', '--eval-interval', '150'],
  ...['--eval-episodes', '2', '--hidden-sizes', '16,16', '--batch-size', '16'],
  ...['--buffer-size', '1000', '--sparsity', '2:4', '--mask-interval', '50 + t / 10'],
];
