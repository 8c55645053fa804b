// Tries what other machines have otherwise, as far as this one allows, on the package as it is built here:
//
//   npm run test:machines
//   RNM_NODES=/opt/node22/bin/node:/opt/node24/bin/node npm run test:machines
//
// Says what was skipped and why, and ends with one line "N passed, N failed, N skipped".
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { listChecks } from './checks.mjs';
import { root } from './smoke.mjs';

for (const file of ['dist/cli/main.js', 'build/Release/rnm.node']) {
  if (existsSync(join(root, file))) continue;
  console.error(`${file} is not there. Build it first: npm ci`);
  process.exit(1);
}
// Each check says itself what it changes.
for (const name of ['RNM_ADDON', 'RNM_ISA', 'NODE_OPTIONS']) delete process.env[name];

const count = { passed: 0, failed: 0, skipped: 0 };
for (const [name, check] of listChecks()) {
  const began = performance.now();
  let result = 'passed';
  let note = '';
  try {
    note = check() ?? '';
    if (note !== '') result = 'skipped';
  } catch (error) {
    result = 'failed';
    note = error.message;
  }
  count[result] += 1;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    `${result.padEnd(8)} ${String(name)} (${seconds} s)${note === '' ? '' : `: ${note}`}`,
  );
}
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed === 0 ? 0 : 1;
