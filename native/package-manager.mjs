// Which package manager installed this package, and what to type in its words.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const name = 'rnm-td3';

/** A checkout of the repository has the sources that are compiled to dist/, a package has not. */
export const isCheckout = existsSync(join(root, 'tsconfig.build.json'));

const inPackage = {
  npm: {
    rebuild: `npm rebuild ${name}`,
    allow: `npm install-scripts approve ${name}`,
    run: 'npx',
  },
  pnpm: { rebuild: 'pnpm rebuild', allow: 'pnpm approve-builds', run: 'pnpm exec' },
  // Yarn 1 runs install scripts unless it is told not to, and --force has it do so again.
  yarn1: {
    rebuild: 'yarn install --force',
    allow: 'yarn config delete ignore-scripts',
    run: 'yarn',
  },
  yarn: {
    rebuild: `yarn rebuild ${name}`,
    allow: `put "dependenciesMeta": { "${name}": { "built": true } } into package.json`,
    run: 'yarn',
  },
};

export function packageManager(agent = process.env.npm_config_user_agent, folder = root) {
  // Whoever runs the process is asked first, then the folder that the package lies in.
  const [, manager, major] = /^(npm|pnpm|yarn)\/(\d+)/.exec(agent ?? '') ?? [];
  if (manager === 'yarn') return major === '1' ? 'yarn1' : 'yarn';
  if (manager !== undefined) return manager;
  if (/[\\/]node_modules[\\/]\.pnpm[\\/]/.test(folder)) return 'pnpm';
  const modules = dirname(folder);
  if (existsSync(join(modules, '.yarn-state.yml'))) return 'yarn';
  return existsSync(join(modules, '.yarn-integrity')) ? 'yarn1' : 'npm';
}

// package-manager.d.mts says what these are.
export function remedies(manager = packageManager()) {
  const words = inPackage[manager];
  return isCheckout ? { ...words, rebuild: 'npm run install' } : words;
}
