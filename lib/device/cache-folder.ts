/** Where what was measured on this machine is kept from process to process. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * RNM_CACHE_DIR, else "rnm-td3" in XDG_CACHE_HOME, else ~/.cache/rnm-td3. It need not exist.
 *
 * @returns "" where there is no such place: nothing is kept then
 */
export function cacheFolder(): string {
  const { RNM_CACHE_DIR: own = '', XDG_CACHE_HOME: shared = '' } = process.env;
  if (own !== '') return own;
  // Relative paths are to be ignored, as the XDG Base Directory Specification has it.
  if (isAbsolute(shared)) return join(shared, 'rnm-td3');
  try {
    return join(homedir(), '.cache', 'rnm-td3');
  } catch {
    return '';
  }
}
