/** The OpenTelemetry collector, by OTLP over HTTP in JSON (OTLP 1.x, "OTLP/HTTP"). */
import { timeoutSignal } from "../../lib/async.ts";

export interface CollectorOptions {
  /** Its base address, without a trailing slash; `/v1/traces` and `/v1/metrics` are below it. */
  readonly endpoint: string;
  /** By which it knows the edge. */
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: typeof globalThis.fetch;
}

export const SIGNALS = ["traces", "metrics"] as const;
export type Signal = (typeof SIGNALS)[number];

/** @returns whether it was taken; never rejects */
export type SendTelemetry = (signal: Signal, body: string) => Promise<boolean>;

/** It is not waited for longer, milliseconds. */
const TIMEOUT_MS = 5_000;

export const createSendTelemetry =
  ({ endpoint, headers, fetch }: CollectorOptions): SendTelemetry =>
  async (signal, body) => {
    const ending = timeoutSignal(TIMEOUT_MS);
    try {
      const response = await fetch(`${endpoint}/v1/${signal}`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body,
        // What it is sent goes to nobody else.
        redirect: "manual",
        signal: ending.signal,
      });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    } finally {
      ending.clear();
    }
  };
