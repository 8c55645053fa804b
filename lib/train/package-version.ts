/** The version of this package, for files that say what wrote them. */
import { readFileSync } from 'node:fs';

const description = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');

/** Version as in package.json, e.g. "0.1.0". */
export const packageVersion = (JSON.parse(description) as { version: string }).version;
