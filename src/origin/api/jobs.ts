/** Your API's background jobs. Each runs in one process of all origins at a time. */
import type { BackgroundJob } from "../jobs/job.ts";

export const apiJobs: readonly BackgroundJob[] = [];
