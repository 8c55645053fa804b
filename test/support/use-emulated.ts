/** Has the tests that follow run on the emulated GPU, in processes that they start as well. */
import { join } from 'node:path';

process.env['RNM_ADDON'] = join(import.meta.dirname, '../../build/emulated/Release/rnm.node');
process.env['RNM_TEST_DEVICE'] = 'cuda-emulated';
