/** How much of the machine others use meanwhile: what disturbs a measurement. */
import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of /proc's clocks in a second: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/**
 * CPU seconds that all processes but `own` and this one have used so far, and that the hypervisor
 * gave to other machines; null where there is no /proc.
 *
 * @param own process ids that belong to the measurement
 */
export function cpuSecondsOfOthers(own: readonly number[] = []): number | null {
  const mine = new Set([process.pid, ...own].map(String));
  let ticks: number;
  try {
    ticks = stolenTicks();
    for (const pid of readdirSync('/proc')) {
      if (/^\d+$/.test(pid) && !mine.has(pid)) ticks += processTicks(pid);
    }
  } catch {
    return null;
  }
  return ticks / ticksPerSecond;
}

/** User and system time of a process and of its children that have ended. */
function processTicks(pid: string): number {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return 0; // it has ended meanwhile
  }
  // The name, in parentheses, may hold spaces and parentheses; fields 14 to 17 are the times.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
}

/** Time in which this machine was ready to run and the hypervisor did not let it. */
function stolenTicks(): number {
  const [first = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
  return Number(first.trim().split(/\s+/)[8] ?? 0);
}
