/** The figures of runs: files of JSON lines, one line for each run, one file for each phase. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { readJsonLines } from '../../dist/train/atomic-file.js';
import { identity } from './plan.mjs';

/**
 * All records of a folder by the identity of their job; of several with the same the last counts,
 * but a failure never hides a run that succeeded. A last line that a crash cut off is left out.
 *
 * @throws RunError when another line is damaged
 */
export function readRecords(folder) {
  const records = new Map();
  const names = existsSync(folder) ? readdirSync(folder).toSorted() : [];
  for (const name of names.filter((each) => each.endsWith('.jsonl'))) {
    for (const record of readJsonLines(join(folder, name))) {
      const key = identity(record);
      if (record.failure === undefined || !records.has(key)) records.set(key, record);
    }
  }
  return records;
}

/** Add a record to the file of its phase, and wait until it is on the disk. */
export function appendRecord(folder, record) {
  mkdirSync(folder, { recursive: true });
  const file = openSync(join(folder, `${record.phase}.jsonl`), 'a+');
  try {
    cutTornLine(file);
    // One write, so that other programs that append do not come in between.
    writeSync(file, `${JSON.stringify(record)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Whatever follows the last line break was being written when a program died. */
function cutTornLine(file) {
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf('\n') + 1;
  if (end < bytes.length) ftruncateSync(file, end);
}
