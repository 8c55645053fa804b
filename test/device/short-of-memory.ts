// Does what its argument says with ever more memory, until there is enough; prints as JSON what went
// wrong before, and whether the result is the one of a process with enough memory from the start.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Device } from '../../lib/device/index.js';
import type { Mlp } from '../../lib/device/index.js';
import { randomFloats } from './reference.js';

const megabyte = 2 ** 20;

// Another process sets the limits: with little memory left Node itself may fail to start one.
const folder = mkdtempSync(join(tmpdir(), 'rnm-td3-test-'));
const [limits, done] = ['limits', 'done'].map((name) => join(folder, name)) as [string, string];
execFileSync('mkfifo', [limits, done]);
const loop = 'while read -r limit; do prlimit --pid=$1 --as=$limit:; echo; done <"$2" >"$3"';
spawn('bash', ['-c', loop, 'bash', String(process.pid), limits, done], { stdio: 'ignore' }).unref();
const [toLimiter, fromLimiter] = [openSync(limits, 'w'), openSync(done, 'r')];
rmSync(folder, { recursive: true });

function limitMemory(bytes: number | 'unlimited'): void {
  writeSync(toLimiter, `${bytes}\n`);
  readSync(fromLimiter, Buffer.alloc(1));
}

function usedMemory(): number {
  const [, kilobytes] = /VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))!;
  return 1024 * Number(kilobytes);
}

/** What Node itself may need meanwhile. */
const reserve = 6 * megabyte;

/** The errors of attempts with `step` bytes to spare, twice that, and so on until one succeeds. */
function untilEnough(step: number, attempt: () => void): { name: string; message: string }[] {
  const errors = [];
  for (;;) {
    limitMemory(usedMemory() + reserve + errors.length * step);
    try {
      attempt();
      limitMemory('unlimited');
      return errors;
    } catch (error) {
      const { name, message } = error as Error;
      errors.push({ name, message });
      if (errors.length > 200) throw error;
    }
  }
}

const device = new Device({ device: 'cpu', threads: 1 });

// Each with too little memory at first, if there is a step.

function keptPass(step?: number) {
  const [rows, inputs, hidden] = [2 ** 14, 3, 512];
  const mlp = device.mlp({ sizes: [inputs, hidden, 1], seed: 5 });
  const [x, y, dy] = [inputs, 1, 1].map((columns) => device.matrix(rows, columns));
  x!.set(randomFloats(rows * inputs, 1));
  device.fill(dy!, 1);
  const backward = () => mlp.backward(dy!);
  const errors = [];
  if (step !== undefined) {
    // A pass of another batch size was kept before.
    const [few, fewOut] = [device.matrix(3, inputs), device.matrix(3, 1)];
    mlp.forward(few, fewOut, { keep: true });
    const attempt = () => {
      try {
        mlp.forward(x!, y!, { keep: true });
      } catch (error) {
        // Neither the former pass nor half of this one may be used.
        try {
          backward();
        } catch (refusal) {
          if (/Call forward with keep/.test((refusal as Error).message)) throw error;
        }
        throw new Error('backward did without a kept pass', { cause: error });
      }
    };
    errors.push(...untilEnough(step, attempt));
  } else {
    mlp.forward(x!, y!, { keep: true });
  }
  backward();
  return { errors, result: mlp.read(0, 'weightGradient') };
}

function inputGradient(step?: number) {
  const width = 2048;
  const patterns = [{ n: 2, m: 4 }];
  const mlp = device.mlp({ sizes: [width, width], patterns, role: 'inference', seed: 5 });
  const [x, y, dy, dx] = Array.from({ length: 4 }, () => device.matrix(1, width));
  dy!.set(randomFloats(width, 2));
  mlp.forward(x!, y!, { keep: true });
  const backward = () => mlp.backward(dy!, { weightGradient: false, inputGradient: dx! });
  const errors = step === undefined ? [] : untilEnough(step, backward);
  backward();
  return { errors, result: dx!.get() };
}

function dormantGradient(step?: number) {
  const width = 2048;
  const mlp = device.mlp({ sizes: [width, width], patterns: [{ n: 1, m: 4 }], seed: 5 });
  const [x, y, dy] = Array.from({ length: 3 }, () => device.matrix(1, width));
  x!.set(randomFloats(width, 1));
  dy!.set(randomFloats(width, 2));
  mlp.forward(x!, y!, { keep: true });
  const backward = () => mlp.backward(dy!, { dormantGradient: true });
  const errors = step === undefined ? [] : untilEnough(step, backward);
  backward();
  return { errors, result: mlp.read(0, 'dormantGradient') };
}

function construction(step?: number) {
  let mlp: Mlp | undefined;
  const construct = () => {
    mlp = device.mlp({ sizes: [2048, 2048], patterns: [{ n: 1, m: 4 }], seed: 5 });
  };
  const errors = step === undefined ? [] : untilEnough(step, construct);
  construct();
  return { errors, result: mlp!.read(0, 'weight') };
}

const scenarios = { keptPass, inputGradient, dormantGradient, construction };
const scenario = scenarios[process.argv[2] as keyof typeof scenarios];
const { errors, result } = scenario(2 * megabyte);
const same = Buffer.from(result.buffer).equals(Buffer.from(scenario().result.buffer));
console.log(JSON.stringify({ errors, same, finite: result.every(Number.isFinite) }));
