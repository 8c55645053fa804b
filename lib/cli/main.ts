#!/usr/bin/env node
import { runCommandLine } from './program.js';
import { watchOutputs } from './signals.js';

watchOutputs(process);
process.exitCode = await runCommandLine(process.argv.slice(2), process);
