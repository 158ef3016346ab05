/** Facts about this machine and this process. */
import { readFileSync, readlinkSync } from "node:fs";
import { uptime } from "node:os";

/** Two processes that give the same text see the same pid as the same process; empty: not known. */
export function machineName(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot}:${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return "";
  }
}

/** `bootTime` is rounded down to these milliseconds. */
export const BOOT_TIME_STEP_MS = 10;

/**
 * Milliseconds since the machine was started, the time for which it slept included. Node's other clocks
 * stand still while it sleeps.
 */
export function bootTime(): number {
  return uptime() * 1000;
}
