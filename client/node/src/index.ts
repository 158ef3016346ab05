/** bellis for Node: workers and scripts for the Bellis blockwise task scheduler. */
export type { Block, Roi } from "./block.js";
export { Control, type ControlOptions } from "./control.js";
export { BrokerError } from "./errors.js";
export type { ConnectOptions, Duty, WorkerOptions } from "./settings.js";
export type {
  Explanation,
  Failure,
  Job,
  JobStatus,
  Submitted,
  TaskSpec,
  TaskStatus,
} from "./status.js";
export { type BlockFunction, work } from "./work.js";
export { Worker } from "./worker.js";
