import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { runCommandLine } from '../../lib/cli/program.js';
import { CapturedTerminal } from '../cli/support.js';
import { anchors, commandLines, localLinks, prose, readDocument, root } from './markdown.js';

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
