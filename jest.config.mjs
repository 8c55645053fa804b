// Two projects: all tests on the CPU, and those of what runs on a device once more on an emulated
// GPU. `npm test -- --selectProjects cpu` runs one of them.
//
// With RNM_TEST_DEVICE or RNM_ADDON there is one run, with the device and the addon named there.

const shared = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
};
const tests = (...names) => names.map((name) => `<rootDir>/test/${name}.test.ts`);
const ignored = (...paths) => ['/node_modules/', ...paths];

const everything = { ...shared, testMatch: tests('**/*') };
const cpu = {
  ...everything,
  displayName: 'cpu',
  // Tests whose names begin with "cuda" are about the GPU alone.
  testPathIgnorePatterns: ignored('/cuda-[^/]*$'),
};
const emulated = {
  ...shared,
  displayName: 'cuda-emulated',
  testMatch: tests(
    'device/**/*',
    'cusparselt/{matmul,failures,options}',
    'td3/{agent,mask-updates,n-step,observation-normalizer}',
    'td3/verify',
    '**/cuda-*',
  ),
  // How an addon is found does not depend on the device, and is tested with the ordinary one.
  testPathIgnorePatterns: ignored('/device/loader[.]'),
  globalSetup: '<rootDir>/test/support/build-emulated.mjs',
  setupFiles: ['<rootDir>/test/support/use-emulated.ts'],
};

const { RNM_TEST_DEVICE: device, RNM_ADDON: addon } = process.env;
// The emulator is written for Linux.
const projects = process.platform === 'linux' ? [cpu, emulated] : [cpu];
const runs = device === undefined && addon === undefined ? { projects } : everything;
// A busy machine takes seconds to load MuJoCo.
// On two cores jest would take one worker.
export default { ...runs, testTimeout: 30_000, maxWorkers: '100%' };
