/** The built command line as a process: what cannot be seen from inside. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { packageVersion } from '../../lib/train/package-version.js';

const main = 'dist/cli/main.js';
