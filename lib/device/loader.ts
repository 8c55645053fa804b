/** Finds and loads the addon; if that fails, says every cause and what to do. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isCheckout, remedies } from '../../native/package-manager.mjs';
import { RunError } from '../errors.js';
import { guardAddon } from './guard.js';
import type { NativeAddon } from './native.js';

const require = createRequire(import.meta.url);
const packageRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The one file that the environment variable RNM_ADDON asks for, e.g. a build with sanitizers. */
function chosenAddon(): string | undefined {
  return process.env['RNM_ADDON'] || undefined;
}

/** Where the addon may lie, in the order in which it is tried. */
function candidates(): string[] {
  const chosen = chosenAddon();
  if (chosen !== undefined) return [resolve(chosen)];
  return [
    join(packageRoot, 'build', 'Release', 'rnm.node'),
    join(packageRoot, 'build', 'Debug', 'rnm.node'),
    join(packageRoot, 'prebuilds', `${process.platform}-${process.arch}`, 'rnm.node'),
  ];
}

let loaded: { addon: NativeAddon; path: string } | undefined;

/**
 * The addon, whose errors are this package's (guard.ts), and where it was found. It is loaded at the first call.
 *
 * @throws RunError with the cause of every failed attempt and the remedies
 */
export function loadAddon(): { addon: NativeAddon; path: string } {
  loaded ??= tryCandidates(candidates());
  return loaded;
}

function tryCandidates(paths: string[]): { addon: NativeAddon; path: string } {
  const causes: string[] = [];
  for (const path of paths) {
    if (!existsSync(path)) {
      causes.push(`${path}: no such file`);
      continue;
    }
    // Anything else would be run as JavaScript.
    if (!path.endsWith('.node')) {
      causes.push(`${path}: not an addon (its name does not end in .node)`);
      continue;
    }
    try {
      return { addon: guardAddon(require(path) as NativeAddon), path };
    } catch (error) {
      causes.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new RunError(explain(causes));
}

function explain(causes: string[]): string {
  const unset =
    '  - Unset the environment variable RNM_ADDON: it names the only file that was tried.';
  const { rebuild, allow } = remedies();
  const unbuilt = `  - If install scripts were not run: \`${allow}\`, then \`${rebuild}\`.`;
  return [
    'The native addon of rnm-td3 could not be loaded:',
    ...causes.map((cause) => `  - ${cause}`),
    'What helps:',
    ...(chosenAddon() === undefined ? [] : [unset]),
    ...(isCheckout ? [] : [unbuilt]),
    `  - Build it: \`${rebuild}\`. This needs a C++20 compiler and CMake >= 3.19 or Python 3,`,
    '    e.g. `apt-get install g++ cmake`.',
    `  - This is Node ${process.version} on ${process.platform}-${process.arch}; Node >= 20 is needed.`,
  ].join('\n');
}
