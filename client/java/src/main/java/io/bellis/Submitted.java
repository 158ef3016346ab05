package io.bellis;

/**
 * The broker has taken a job.
 *
 * @param job the job's id
 * @param resumed a job of that name that ran before, or still runs, goes on
 * @param done how many of its blocks were completed before
 * @param run the folder of this run in the job's folder of logs; empty if there is none
 */
public record Submitted(String job, boolean resumed, long done, String run) {}
