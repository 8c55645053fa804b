#!/usr/bin/env node
import { runCommandLine } from './program.js';
import { respectNohup, watchOutputs } from './signals.js';

watchOutputs(process);
respectNohup();
process.exitCode = await runCommandLine(process.argv.slice(2), process);
