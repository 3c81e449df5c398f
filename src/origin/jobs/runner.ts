/** Runs background jobs: each in one process of all origins at a time, with a timeout, a metric, log lines and a trace. */
import { context, type Meter, SpanStatusCode, trace } from "@opentelemetry/api";
import type { ApiSettings } from "#api/origin/config.ts";
import { durationMs } from "../../contract/duration.ts";
import { withTimeout } from "../../lib/async.ts";
import { isSampled, traceIdOf } from "../../telemetry/trace-context.ts";
import { timedScope } from "../db/database.ts";
import type { PostgresPool } from "../db/postgres.ts";
import type { CallDependency, Caller } from "../http/client.ts";
import { startJob } from "../lifecycle/jobs.ts";
import type { OriginLog } from "../log/log.ts";
import { Deadline } from "../middleware/deadline.ts";
import { rootTrace } from "../telemetry/tracing.ts";
import { type BackgroundJob, nextRun, scheduleOf } from "./job.ts";
import { createLease, LEASE_MS } from "./lease.ts";

interface JobDependencies {
  readonly database: PostgresPool;
  readonly callerFetch: (caller: Caller) => CallDependency;
  readonly settings: ApiSettings;
  readonly meter: Meter;
  /** The share of runs that is traced, within [0, 1]. */
  readonly samplingRate: number;
  readonly log: OriginLog;
}

export interface RunningJob {
  /** Starts no further run; the present one has this long to end, milliseconds. */
  drain(timeoutMs: number): Promise<void>;
}

/** How often a process looks whether a job is due, milliseconds. */
const POLL_MS = 1_000;
const RENEW_MS = LEASE_MS / 4;
const STATEMENT_TIMEOUT_MS = 2_000;
/** For a run to end after its signal, milliseconds. */
const ABORT_GRACE_MS = 1_000;
const DURATION_BOUNDS_S = [0.01, 0.1, 1, 10, 60, 600, 3_600];

/** Makes a trace of a sampled run. */
const traced = (name: string, id: string, samplingRate: number, work: () => Promise<void>): Promise<void> => {
  const traceId = traceIdOf(id);
  if (!isSampled(traceId, samplingRate)) return work();
  return context.with(rootTrace(traceId), () =>
    trace.getTracer("breakwater").startActiveSpan(`job ${name}`, async (span) => {
      try {
        await work();
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    }),
  );
};

export const jobRunner = ({ database, callerFetch, settings, meter, samplingRate, log }: JobDependencies) => {
  const duration = meter.createHistogram("background_job.duration", {
    description: "Duration of a background job's runs, by outcome",
    unit: "s",
    advice: { explicitBucketBoundaries: DURATION_BOUNDS_S },
  });

  return (job: BackgroundJob): RunningJob => {
    const { name } = job;
    const timeoutMs = durationMs(job.timeout);
    const lease = createLease(database.within(timedScope(name, STATEMENT_TIMEOUT_MS)), name);
    let running: Deadline | undefined;
    let isRegistered = false;

    /** Ends the run at its timeout, and before another process can take the job. */
    const watch = (run: Deadline) => {
      const timer = setTimeout(() => run.end("deadline"), timeoutMs);
      let renewedAtMs = performance.now();
      const renew = async (): Promise<void> => {
        // A run that ignores its signal loses the job.
        if (run.ended !== undefined) return;
        const sentAtMs = performance.now();
        try {
          if (await lease.renew()) renewedAtMs = sentAtMs;
          else run.end("abandoned");
        } catch {
          if (performance.now() - renewedAtMs > LEASE_MS - RENEW_MS) run.end("abandoned");
        }
      };
      const renewing = startJob(renew, RENEW_MS);
      return async (): Promise<void> => {
        clearTimeout(timer);
        await renewing.stop();
      };
    };

    const runOnce = async (): Promise<void> => {
      const id = crypto.randomUUID();
      const run = new Deadline(name, Date.now() + timeoutMs, false, id);
      running = run;
      const runLog = log.child({ job: name, requestId: id });
      const startMs = performance.now();
      const services = {
        database: database.within(run),
        fetch: callerFetch(run),
        signal: run.signal,
        log: runLog,
        settings,
      };
      const stopWatching = watch(run);
      let outcome = "succeeded";
      try {
        await traced(name, id, samplingRate, () => job.run(services));
        runLog.info({ durationMs: Math.round(performance.now() - startMs) }, "background job done");
      } catch (error) {
        outcome = run.ended === "deadline" ? "timed_out" : "failed";
        runLog.error({ err: error }, `background job ${outcome === "failed" ? "failed" : "timed out"}`);
      } finally {
        duration.record((performance.now() - startMs) / 1_000, { background_job: name, outcome });
        await stopWatching();
        running = undefined;
      }
    };

    const poll = async (): Promise<void> => {
      try {
        if (!isRegistered) await lease.register(scheduleOf(job), (nowMs) => firstRun(job, nowMs));
        isRegistered = true;
        const startedMs = await lease.take();
        if (startedMs === undefined) return;
        await runOnce();
        await lease.end(nextRun(job, startedMs));
      } catch (error) {
        // The database is unavailable, and its breaker reports that. The lease ends by itself.
        log.debug({ job: name, err: error }, "a background job cannot be scheduled");
      }
    };

    const polling = startJob(poll, POLL_MS);
    return {
      drain: async (drainMs) => {
        const stopped = polling.stop();
        const timer = setTimeout(() => running?.end("abandoned"), drainMs);
        await withTimeout(stopped, drainMs + ABORT_GRACE_MS, { fallback: undefined });
        clearTimeout(timer);
      },
    };
  };
};

/** A job with an interval runs at once when it is new. */
const firstRun = (job: BackgroundJob, nowMs: number): number =>
  "every" in job ? nowMs : nextRun(job, nowMs);
