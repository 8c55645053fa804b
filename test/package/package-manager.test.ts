/** Who installed the package, where nobody says so. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { packageManager } from '../../native/package-manager.mjs';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();

test.each([
  ['npm', 'node_modules', '.package-lock.json'],
  ['pnpm', 'node_modules/.pnpm/rnm-td3@1.0.0/node_modules', ''],
  ['yarn', 'node_modules', '.yarn-state.yml'],
  ['yarn1', 'node_modules', '.yarn-integrity'],
])('%s is known by the folder that it installs to', (manager, modules, file) => {
  const folder = join(newFolder(), modules);
  mkdirSync(join(folder, 'rnm-td3'), { recursive: true });
  if (file !== '') writeFileSync(join(folder, file), '');
  expect(packageManager('', join(folder, 'rnm-td3'))).toBe(manager);
  expect(packageManager('bun/1.2.0', join(folder, 'rnm-td3'))).toBe(manager);
  expect(packageManager('yarn/4.0.1 npm/? node/v22', join(folder, 'rnm-td3'))).toBe('yarn');
});
