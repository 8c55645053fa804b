/** Runs test suites on a device, in a process of their own, and says what came of them. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SuiteResult {
  passed: boolean;
  tests: { passed: number; failed: number; skipped: number };
  /** Suites that could not be run at all count too. */
  failures: { test: string; message: string }[];
  seconds: number;
}

/** What of jest's JSON is used. */
interface JestResult {
  success: boolean;
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  testResults: {
    name: string;
    status: string;
    message: string;
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
  }[];
}

const root = join(import.meta.dirname, '..', '..');

/**
 * @param patterns paths of suites as jest takes them, e.g. "test/device"
 * @param folder for jest's own result
 * @param progress whether jest's progress is shown, on standard error. Default: yes
 */
export async function runSuites(
  device: string,
  patterns: readonly string[],
  folder: string,
  progress = true,
): Promise<SuiteResult> {
  const file = join(folder, 'jest.json');
  const start = performance.now();
  const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const args = [
    '--experimental-vm-modules',
    '--no-warnings',
    jest,
    '--testTimeout=300000',
    // Each worker has memory of its own on the GPU.
    '--maxWorkers=50%',
    '--json',
    `--outputFile=${file}`,
    ...patterns,
  ];
  const env = { ...process.env, RNM_TEST_DEVICE: device };
  const stderr = progress ? 'inherit' : 'ignore';
  const stdio = ['ignore', 'ignore', stderr] as const;
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: [...stdio] });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { ...readResult(file, code), seconds: (performance.now() - start) / 1e3 };
}

function readResult(file: string, code: number | null): Omit<SuiteResult, 'seconds'> {
  let result: JestResult;
  try {
    result = JSON.parse(readFileSync(file, 'utf8')) as JestResult;
  } catch (error) {
    const message = `There is no result (exit code ${code}): ${(error as Error).message}`;
    const tests = { passed: 0, failed: 0, skipped: 0 };
    return { passed: false, tests, failures: [{ test: 'all', message }] };
  }
  const ran = result.numPassedTests + result.numFailedTests;
  return {
    // Suites of which every test was skipped say nothing.
    passed: code === 0 && result.success && ran > 0,
    tests: {
      passed: result.numPassedTests,
      failed: result.numFailedTests,
      skipped: result.numPendingTests,
    },
    failures: result.testResults.flatMap(failuresOf),
  };
}

function failuresOf({ name, status, message, assertionResults }: JestResult['testResults'][0]) {
  const failed = assertionResults.filter((one) => one.status === 'failed');
  if (failed.length === 0) return status === 'failed' ? [{ test: name, message }] : [];
  return failed.map(({ fullName, failureMessages }) => ({
    test: fullName,
    message: failureMessages.join('\n'),
  }));
}
