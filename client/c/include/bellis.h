#pragma once

// Bellis for programs in C, and for languages that call C: Fortran, Julia, R, C#. C99 and C++.
//
// Example:
//
//     #include <bellis.h>
//     #include <stdio.h>
//
//     static int process(bellis_block* block, void* user) {
//       int64_t offset[BELLIS_DIMS_MAX], shape[BELLIS_DIMS_MAX];
//       bellis_block_write_roi(block, offset, shape);
//       (void)user;
//       return 0;                                 // completed; anything else: the block has failed
//     }
//
//     int main(void) {
//       if (bellis_work("c", process, NULL) == BELLIS_OK) return 0;
//       fprintf(stderr, "%s\n", bellis_error());
//       return 1;
//     }
//
// ERRORS. Functions that can fail return an int: 0 or above is no error, and below 0 it says which.
// bellis_error() is the sentence that belongs to it. Nothing is thrown. Where a function fails, its
// results (arguments that are pointers to pointers) are NULL.
//
// TEXT is UTF-8 and ends with NUL. What is passed in is copied. What is returned belongs to the
// handle that it came from, as each function says: copy it.
//
// NUMBERS. A region is two arrays, offset and shape, of bellis_block_dims() numbers each: at most
// BELLIS_DIMS_MAX. They are in world units. Ids fit an int64_t.
//
// THREADS. A handle belongs to one thread. bellis_error() is that of the calling thread.
//
// FORKS. A forked child uses no handle of its parent.
//
// THE INTERFACE GROWS, and does not change: a later version has all functions and numbers of this
// one. No struct is visible. That holds as long as the library's name is libbellis_c.so.0.

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BELLIS_C_API __attribute__((visibility("default")))

/// The most dimensions of a region.
#define BELLIS_DIMS_MAX 8

/// What functions return.
enum {
  BELLIS_OK = 0,
  BELLIS_DONE = 1,    /* bellis_acquire: there are no more blocks */
  BELLIS_FAILED = 2,  /* bellis_wait, bellis_watch: the job ended, and was not completed */
  BELLIS_RUNNING = 3, /* bellis_wait, bellis_watch: the job runs on */

  BELLIS_E_ARGUMENT = -1, /* of this call: NULL, or a number out of range; nothing was done */
  BELLIS_E_MEMORY = -2,
  BELLIS_E_INTERNAL = -3, /* a defect of this library */

  /* MESSAGES.md, "Errors", says what they mean. */
  BELLIS_E_BAD_MESSAGE = -10,
  BELLIS_E_UNKNOWN_KIND = -11,
  BELLIS_E_TOO_LARGE = -12,
  BELLIS_E_VERSION = -13,
  BELLIS_E_UNAUTHORIZED = -14,
  BELLIS_E_HELLO_FIRST = -15,
  BELLIS_E_WRONG_ROLE = -16,
  BELLIS_E_INVALID_SPEC = -17, /* also: a variable of the environment is missing or wrong */
  BELLIS_E_UNKNOWN_JOB = -18,
  BELLIS_E_UNKNOWN_TASK = -19,
  BELLIS_E_UNKNOWN_WORKER = -20,
  BELLIS_E_LIMIT = -21,
  BELLIS_E_SHUTTING_DOWN = -22,
  BELLIS_E_NOT_FOUND = -23,
  BELLIS_E_IO = -24,
  BELLIS_E_TIMEOUT = -25, /* no broker, or it does not answer */
  BELLIS_E_STORAGE = -26,
  BELLIS_E_DIFFERENT_LAYOUT = -27,
  BELLIS_E_DIFFERENT_PROGRAMS = -28,
  BELLIS_E_WORKER_ALIVE = -29
};

/// What was wrong in the last call of this thread that failed: one sentence. Never NULL. It stays
/// until the thread's next call that fails.
BELLIS_C_API const char* bellis_error(void);

/// The name of an error, as in messages: "unknown_job"; of the others "argument", "memory",
/// "internal". "" if `code` is none.
BELLIS_C_API const char* bellis_error_name(int code);

/// The version of the library: "1.2.3".
BELLIS_C_API const char* bellis_version(void);

// ---- Workers ----

/// A connection to a broker, as a worker of one task. It says hello again when its connection
/// breaks or the broker is started again, and its threads send heartbeats.
typedef struct bellis_worker bellis_worker;

/// A block that this worker holds.
typedef struct bellis_block bellis_block;

/// Works on one block. 0: it is completed. Anything else: it has failed, with the text of
/// bellis_block_set_error. It must return, and neither jump nor exit out of the call.
typedef int (*bellis_function)(bellis_block* block, void* user);

/// Opens a worker, calls `function` for each block until there are no more, and closes it. The
/// environment says which broker, job and task (docs/PIPELINE.md, "Workers"). `language` is what
/// the summary counts the blocks under; NULL: "c". Returns BELLIS_OK, or an error of
/// bellis_worker_open or bellis_acquire.
BELLIS_C_API int bellis_work(const char* language, bellis_function function, void* user);

/// The same in steps. Errors: BELLIS_E_INVALID_SPEC, a variable of the environment; _TIMEOUT, no
/// broker; what the broker refuses.
BELLIS_C_API int bellis_worker_open(const char* language, bellis_worker** worker);

/// Reports what is finished, says bye, and frees the handle. Blocks that are still held go back to
/// the broker; their handles are freed by bellis_block_return all the same. NULL: nothing.
BELLIS_C_API void bellis_worker_close(bellis_worker* worker);

/// Waits for the next block. BELLIS_OK: `*block` is to be handed back by one of the four functions
/// below. BELLIS_DONE: there is nothing more to do, now and later. Errors: the broker is lost, or
/// refuses the worker.
BELLIS_C_API int bellis_acquire(bellis_worker* worker, bellis_block** block);

/// From now on bellis_acquire returns BELLIS_DONE, also where it is waiting: within half a second.
/// Any thread, and signal handlers.
BELLIS_C_API void bellis_worker_stop(bellis_worker* worker);

/// Of the welcome. The texts stay until the worker is closed.
BELLIS_C_API int64_t bellis_worker_id(const bellis_worker* worker);
BELLIS_C_API const char* bellis_worker_job(const bellis_worker* worker);
BELLIS_C_API const char* bellis_worker_task(const bellis_worker* worker);
/// The worker's place among those of its task, from 0. A worker that replaces it gets the same.
BELLIS_C_API int bellis_worker_slot(const bellis_worker* worker);
/// Why bellis_acquire returned BELLIS_DONE; "" before.
BELLIS_C_API const char* bellis_worker_leave_reason(const bellis_worker* worker);

/// Hand the block back, and free the handle. A completed one is reported by the next
/// bellis_acquire, in the message that asks for the next block; before something slow, use
/// bellis_block_finish, which reports it at once. What has failed is tried again elsewhere; `why`
/// is shown to the user, and may be NULL. What is returned goes back as it was. Not for a block
/// that bellis_work lends to a function: BELLIS_E_ARGUMENT.
BELLIS_C_API int bellis_block_complete(bellis_block* block);
BELLIS_C_API int bellis_block_finish(bellis_block* block);
BELLIS_C_API int bellis_block_fail(bellis_block* block, const char* why);
BELLIS_C_API int bellis_block_return(bellis_block* block);

/// Why the function of bellis_work is about to return something other than 0.
BELLIS_C_API void bellis_block_set_error(bellis_block* block, const char* why);

/// How many dimensions its regions have.
BELLIS_C_API int bellis_block_dims(const bellis_block* block);
/// Write as many numbers to each array.
BELLIS_C_API void bellis_block_read_roi(const bellis_block* block, int64_t* offset, int64_t* shape);
BELLIS_C_API void bellis_block_write_roi(const bellis_block* block, int64_t* offset,
                                         int64_t* shape);
/// The id that users see, unique in the task; and the row-major rank in the task's grid.
BELLIS_C_API int64_t bellis_block_id(const bellis_block* block);
BELLIS_C_API int64_t bellis_block_index(const bellis_block* block);
/// From 1.
BELLIS_C_API int bellis_block_attempt(const bellis_block* block);
/// The number of this hand-out, never used again: a fencing token.
BELLIS_C_API int64_t bellis_block_lease(const bellis_block* block);

// ---- Control ----

/// A connection to a broker, as a client. Texts that its functions return stay until the next call
/// with it. Every function waits for the broker's answer. Errors: BELLIS_E_TIMEOUT, and what the
/// broker refuses, such as BELLIS_E_UNKNOWN_JOB. A job is named by its id or its name.
typedef struct bellis_control bellis_control;

/// Connects to the broker of BELLIS_ENDPOINT or BELLIS_ACCESS, or else to that of this user.
BELLIS_C_API int bellis_control_open(bellis_control** control);
/// Frees the handle; jobs run on. NULL: nothing.
BELLIS_C_API void bellis_control_close(bellis_control* control);

/// Submits a job: the text of a pipeline file (docs/PIPELINE.md) in TOML; or, if it begins with
/// `{`, the same fields as one JSON object. `fresh`: not 0, to forget a stored job of that name.
/// `*job` is its id. The text's error names line or field.
BELLIS_C_API int bellis_submit(bellis_control* control, const char* text, int fresh,
                               const char** job);
/// The same from a file in TOML, whose relative paths start at its folder.
BELLIS_C_API int bellis_submit_file(bellis_control* control, const char* path, int fresh,
                                    const char** job);

/// The status as JSON, as `bellis status --json` prints it (MESSAGES.md, "Job status"): of one job
/// as an object, or, where `job` is NULL, of all jobs as an array.
BELLIS_C_API int bellis_status(bellis_control* control, const char* job, const char** json);

/// Waits for the end of a job, at most `timeout_ms`; below 0: without a limit. BELLIS_OK: every
/// block is completed; BELLIS_FAILED; BELLIS_RUNNING: the time is over. `*json` is its last status;
/// `json` may be NULL.
BELLIS_C_API int bellis_wait(bellis_control* control, const char* job, int64_t timeout_ms,
                             const char** json);

/// What the function of bellis_watch returns.
enum { BELLIS_GO_ON = 0, BELLIS_CANCEL = 1, BELLIS_STOP = 2 };

/// Looks at a job that is watched: at each change `json` is its status, valid in this call only;
/// and about five times a second it is NULL. BELLIS_CANCEL: the job is cancelled, and watched to
/// its end. BELLIS_STOP: it runs on, and bellis_watch returns. It must return, as bellis_function.
typedef int (*bellis_watcher)(const char* json, void* user);

/// As bellis_wait, and calls `watcher` meanwhile; two changes come at least `interval_ms` apart, 20
/// to 60,000.
BELLIS_C_API int bellis_watch(bellis_control* control, const char* job, int interval_ms,
                              bellis_watcher watcher, void* user, const char** json);

/// Ends a job; `reason`, which may be NULL, is put in its status.
BELLIS_C_API int bellis_cancel(bellis_control* control, const char* job, const char* reason);
/// No block of the job (of that task, unless NULL) is handed out until it is resumed.
BELLIS_C_API int bellis_pause(bellis_control* control, const char* job, const char* task);
BELLIS_C_API int bellis_resume(bellis_control* control, const char* job, const char* task);
/// How many workers of a group of the task run; group: its place in [[tasks.workers]], from 0.
/// `task` may be NULL if the job has only one.
BELLIS_C_API int bellis_set_workers(bellis_control* control, const char* job, const char* task,
                                    int group, int count);
/// Opens failed and orphaned blocks again. `*blocks`, unless NULL: how many are open again.
BELLIS_C_API int bellis_retry_failed(bellis_control* control, const char* job, int64_t* blocks);

#ifdef __cplusplus
}
#endif
