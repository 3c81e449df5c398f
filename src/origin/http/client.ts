/**
 * HTTP calls of handlers and jobs to other services. Each service has a circuit breaker; each call ends with its request, has a
 * timeout, and is measured and traced.
 */
import { type Attributes, type Meter, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { type Duration, durationMs } from "../../contract/duration.ts";
import { knownMethod } from "../../lib/http.ts";
import type { Breaker, Permit } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { HTTP_DURATION_BOUNDS_S } from "../../telemetry/instruments.ts";
import { newSpanId, traceIdOf, writeTraceparent } from "../../telemetry/trace-context.ts";
import type { Scope } from "../db/database.ts";
import { CircuitOpenError, requestEnded, UnavailableError } from "../db/errors.ts";

export interface HttpDependency {
  /** The longest duration of a call, its body included; it also ends with its request. @default "5s" */
  readonly timeout?: Duration;
}

/** By name, which is a label in telemetry. */
export type HttpDependencies = Readonly<Record<string, HttpDependency>>;

/** What a call is made for: a request, or one run of a job. */
export interface Caller extends Pick<Scope, "ended" | "requestId"> {
  /** Aborts at its end. */
  readonly signal: AbortSignal;
}

/**
 * `fetch` to a declared dependency. A 5xx, a lost connection and a timeout are failures for its breaker.
 *
 * @throws CircuitOpenError, UnavailableError, and DeadlineError at the caller's end: thrown on, they are 503 and 504
 */
export type CallDependency<Name extends string = string> = (
  dependency: Name,
  url: string | URL,
  init?: RequestInit,
) => Promise<Response>;

const DEFAULT_TIMEOUT = "5s";
const SERVER_ERROR = 500;

const failureOf = (error: unknown): string =>
  error instanceof Error && error.name === "TimeoutError" ? "timeout" : "connection_error";

/** Without the parts that may hold secrets (OpenTelemetry, "HTTP client spans", `url.full`). */
const shownUrl = ({ origin, pathname }: URL): string => origin + pathname;

/** For a request that is not sampled, the trace goes on unsampled. */
const traceparentOf = (span: Span | undefined, requestId: string | undefined): string | undefined => {
  if (span !== undefined) {
    const { traceId, spanId } = span.spanContext();
    return writeTraceparent(traceId, spanId);
  }
  return requestId === undefined ? undefined : writeTraceparent(traceIdOf(requestId), newSpanId(), false);
};

interface HttpClientOptions {
  readonly dependencies: HttpDependencies;
  /** Creates the breaker of one dependency. */
  readonly createBreaker: (dependency: string) => Breaker;
  readonly meter: Meter;
}

/** @returns binds calls to what they are made for */
export const createHttpClient = ({ dependencies, createBreaker, meter }: HttpClientOptions) => {
  const tracer = trace.getTracer("breakwater");
  const known = new Map(
    Object.entries(dependencies).map(([name, { timeout = DEFAULT_TIMEOUT }]) => [
      name,
      { breaker: createBreaker(name), timeoutMs: durationMs(timeout) },
    ]),
  );
  const duration = meter.createHistogram("http.client.request.duration", {
    description: "Duration of calls to other services, until the response's head",
    unit: "s",
    advice: { explicitBucketBoundaries: HTTP_DURATION_BOUNDS_S },
  });

  /** Measures and traces one call. @returns called at its end, with the response's status or the kind of failure */
  const observe = (dependency: string, method: string, url: URL, { state }: Breaker) => {
    const labels: Attributes = { "http.request.method": method, "service.peer.name": dependency };
    const span =
      trace.getActiveSpan() === undefined
        ? undefined
        : tracer.startSpan(method, {
            kind: SpanKind.CLIENT,
            attributes: { ...labels, "server.address": url.hostname, "url.full": shownUrl(url) },
          });
    span?.setAttribute("breakwater.breaker.state", state);
    const startMs = performance.now();
    const end = (status: number | undefined, failure?: string): void => {
      if (status !== undefined) labels["http.response.status_code"] = status;
      if (failure !== undefined) labels["error.type"] = failure;
      duration.record((performance.now() - startMs) / 1_000, labels);
      span?.setAttributes(labels);
      if (failure !== undefined) span?.setStatus({ code: SpanStatusCode.ERROR });
      span?.end();
    };
    return { span, end };
  };

  const settle = (permit: Permit, { ended }: Caller, failure: string | undefined): void => {
    if (failure === undefined) permit.ok();
    // The deadline is the dependency's failure; a client that has disconnected says nothing about it.
    else if (ended === "abandoned") permit.ignore();
    else permit.fail();
  };

  return (caller: Caller): CallDependency =>
    async (dependency, address, init = {}) => {
      const declared = known.get(dependency);
      if (declared === undefined)
        throw new TypeError(`${dependency} is not declared in httpDependencies (src/origin/api/config.ts)`);
      const url = new URL(address);
      const { breaker, timeoutMs } = declared;
      // Before the permit: malformed fields throw.
      const headers = new Headers(init.headers);
      if (caller.ended !== undefined) throw requestEnded(caller.ended);
      const permit = breaker.tryAcquire(timeoutMs);
      if (!permit.granted) throw new CircuitOpenError(dependency, permit.retryAtMs);
      const { span, end } = observe(
        dependency,
        knownMethod(init.method?.toUpperCase() ?? "GET"),
        url,
        breaker,
      );
      const traceparent = traceparentOf(span, caller.requestId);
      if (traceparent !== undefined) headers.set("traceparent", traceparent);
      const signals = [caller.signal, AbortSignal.timeout(timeoutMs), init.signal].filter(
        (signal) => signal instanceof AbortSignal,
      );
      try {
        const response = await fetch(url, { ...init, headers, signal: AbortSignal.any(signals) });
        const failure = response.status >= SERVER_ERROR ? String(response.status) : undefined;
        settle(permit, caller, failure);
        end(response.status, failure);
        return response;
      } catch (error) {
        const { ended } = caller;
        const failure = ended ?? failureOf(error);
        // The handler's own signal says nothing about the dependency.
        if (init.signal?.aborted === true && ended === undefined) permit.ignore();
        else settle(permit, caller, failure);
        end(undefined, failure);
        if (ended !== undefined) throw requestEnded(ended, { cause: error });
        if (init.signal?.aborted === true) throw error;
        throw new UnavailableError(`${dependency} does not answer`, { cause: error });
      }
    };
};
