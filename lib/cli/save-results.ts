/** Writes what a benchmark found. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { RunError } from '../errors.js';
import { writeFileAtomic } from '../train/atomic-file.js';

/** @throws RunError if the folder cannot be made or written to */
export function saveResults(folder: string, files: Record<string, string | Uint8Array>): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new RunError(`Cannot make the folder for the results: ${reason}`, { cause });
  }
  for (const [name, content] of Object.entries(files)) {
    writeFileAtomic(join(folder, name), content);
  }
}
