import type { Fields, JobStatusFields } from "./messages.js";

/**
 * The status of a job, with the keys of MESSAGES.md, "Job status". `state` is `running`, `completed`,
 * `failed` or `cancelled`; `elapsed_s` is in seconds, `block_ms_mean` in milliseconds. Names of blocks
 * and workers are bigints.
 */
export type JobStatus = JobStatusFields;
export type TaskStatus = JobStatus["tasks"][number];
export type Failure = TaskStatus["failures"][number];

/** Why a block does not run, or a worker is idle: a sentence, and steps, each of which waits for the next. */
export type Explanation = Omit<Fields<"explained">, "req">;

/** What became of a submit. */
export interface Submitted {
  /** The job's id. */
  job: string;
  /** A job of this name that ran before, or still runs, goes on. */
  resumed: boolean;
  /** How many of its blocks were completed before. */
  done: number;
  /** The folder of this run in `log_dir`. */
  run: string;
}

/** A job, with the keys of a pipeline file (docs/PIPELINE.md). */
export interface Job {
  name?: string;
  tasks: TaskSpec[];
  [key: string]: unknown;
}

export interface TaskSpec {
  task_id: string;
  [key: string]: unknown;
}
