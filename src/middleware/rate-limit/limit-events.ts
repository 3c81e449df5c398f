/** What a limit has said to a request, for telemetry. */
import type { LimitResult } from "./limiter/verdict.ts";

export interface LimitEvent {
  readonly type: "limit";
  readonly route: string;
  readonly result: LimitResult;
}
