/** The end of a process that must not work any longer. */
import { closeSync, constants, openSync, readdirSync, readFileSync, writeSync } from "node:fs";

const WORDS = "bellis: this worker's leases end and could not be renewed: the process is ended\n";

/** Kills this process and all that it has started, at once. It waits for nobody. */
export function fence(): void {
  say(WORDS);
  const self = process.pid;
  for (const child of descendants(self)) kill(child);
  kill(familyOf("self")?.group === self ? -self : self);
}

/** A stderr that is a full pipe does not hold us up: this opens it without waiting. */
function say(words: string): void {
  try {
    const file = openSync(
      "/proc/self/fd/2",
      constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK,
    );
    writeSync(file, words);
    closeSync(file);
  } catch {
    // Nobody hears it.
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

/** The processes that `root` has started, and those that they have started, as far as they can be found. */
function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of processes()) {
    const parent = /^[0-9]+$/.test(name) ? familyOf(name)?.parent : undefined;
    if (parent === undefined) continue;
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [...(children.get(root) ?? [])];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

function processes(): string[] {
  try {
    return readdirSync("/proc");
  } catch {
    return []; // not on this system
  }
}

function familyOf(pid: string): { parent: number; group: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const [, parent, group] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(parent), group: Number(group) };
  } catch {
    return undefined; // it has ended meanwhile
  }
}
