/** Writes what a benchmark found. */
import { join } from 'node:path';
import { writeFileAtomic } from '../train/atomic-file.js';
import { makeFolder } from '../train/disk.js';

/** @throws RunError if the folder cannot be made or written to */
export function saveResults(folder: string, files: Record<string, string | Uint8Array>): void {
  makeFolder(folder);
  for (const [name, content] of Object.entries(files)) {
    writeFileAtomic(join(folder, name), content);
  }
}
