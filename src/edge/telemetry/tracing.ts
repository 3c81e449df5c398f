/**
 * The isolate's tracer provider: @microlabs/otel-cf-workers, entered for sampled requests only. It begins the server span, and
 * gives `@opentelemetry/api` tracers and the active context. What it records of the client's request is removed. A span goes
 * to the exporter when it ends; nothing else is kept of a trace.
 */
import { createSampler, instrument, type TraceConfig } from "@microlabs/otel-cf-workers";
import {
  type Context,
  context,
  ProxyTracerProvider,
  type TextMapPropagator,
  TraceFlags,
  type Tracer,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { spanName } from "../../lib/http.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { TelemetryExporter } from "./exporter.ts";

type Bindings = Readonly<Record<string, unknown>>;
export type FetchHandler = ExportedHandlerFetchHandler<Bindings>;

export interface TracingOptions {
  /** Serves a request, in the context of its server span. */
  readonly fetch: FetchHandler;
  /** The isolate's bindings. */
  readonly bindings: Bindings;
  readonly exporter: TelemetryExporter;
  readonly service: { readonly name: string; readonly version: string };
}

/** The package takes trace ids from parents alone, so each server span gets this one, which is never exported. */
const ROOT_PARENT_ID = `${"0".repeat(15)}1`;

/** A client's trace context is not read; the trace id is a new request id. */
const requestIds: TextMapPropagator = {
  extract: (active) =>
    trace.setSpanContext(active, {
      traceId: traceIdOf(crypto.randomUUID()),
      spanId: ROOT_PARENT_ID,
      traceFlags: TraceFlags.SAMPLED,
      isRemote: true,
    }),
  inject: () => undefined,
  fields: () => [],
};

/** What may be recorded of a client's request. The rest has URLs with their queries, and texts of the client's choice. */
const KEPT_OF_REQUEST: ReadonlySet<string> = new Set(["faas.coldstart", "network.protocol.name", "net.colo"]);
/** What the package adds from the response, under names that are in no convention. */
const DROPPED_OF_RESPONSE: ReadonlySet<string> = new Set(["http.mime_type", "http.response.body.size"]);

const withoutRequest = ({ attributes }: Pick<ReadableSpan, "attributes">): void => {
  for (const name of Object.keys(attributes))
    if (!KEPT_OF_REQUEST.has(name)) Reflect.deleteProperty(attributes, name);
};

/** The server span as it is exported. @returns the span itself if it is another one */
const exported = (span: ReadableSpan): ReadableSpan => {
  if (span.parentSpanContext?.spanId !== ROOT_PARENT_ID) return span;
  const { kind, startTime, endTime, status, links, events, duration, ended, resource } = span;
  const { instrumentationScope, droppedAttributesCount, droppedEventsCount, droppedLinksCount } = span;
  const attributes = Object.fromEntries(
    Object.entries(span.attributes).filter(([name]) => !DROPPED_OF_RESPONSE.has(name)),
  );
  const { "http.request.method": method = "", "http.route": route = "" } = attributes;
  return {
    // The package's own name has the method as the client wrote it.
    name: spanName(String(method), String(route)),
    spanContext: () => span.spanContext(),
    ...{ kind, startTime, endTime, status, attributes, links, events, duration, ended, resource },
    ...{ instrumentationScope, droppedAttributesCount, droppedEventsCount, droppedLinksCount },
  };
};

/** Without a delegate its tracers make spans that record nothing. */
const NOOP_TRACER: Tracer = new ProxyTracerProvider().getTracer("noop");

const isContext = (value: unknown): value is Context =>
  typeof value === "object" && value !== null && "getValue" in value;

/** @param parent the argument of `startSpan` or `startActiveSpan` in the place of a context */
const isTraced = (parent: unknown): boolean =>
  trace.getSpanContext(context.active()) !== undefined ||
  (isContext(parent) && trace.getSpanContext(parent)?.spanId === ROOT_PARENT_ID);

/** The package's tracers throw in a request that was not sampled. There a user's own span has to be a no-op. */
const sampledOnly = (tracer: Tracer): Tracer =>
  new Proxy(tracer, {
    get: (target, name) => {
      if (name !== "startSpan" && name !== "startActiveSpan") return Reflect.get(target, name);
      return (...parameters: unknown[]): unknown => {
        const chosen = isTraced(parameters[2]) ? target : NOOP_TRACER;
        return Reflect.apply(chosen[name], chosen, parameters);
      };
    },
  });

/** To be called in a request that the package has entered: it registers its provider at the first one. */
const guardTracers = (): void => {
  const proxy = trace.getTracerProvider();
  if (!(proxy instanceof ProxyTracerProvider)) return;
  const provider = proxy.getDelegate();
  const guarded: TracerProvider = { getTracer: (...name) => sampledOnly(provider.getTracer(...name)) };
  proxy.setDelegate(guarded);
};

/**
 * In each request the package reads a member with a random name from each binding, and V8 keeps such names for good: 1.2 KB a
 * request. So it gets no bindings.
 */
const NO_BINDINGS: Bindings = {};

/** @returns serves a sampled request */
export const createTracedFetch = ({ fetch, bindings, exporter, service }: TracingOptions): FetchHandler => {
  let isGuarded = false;
  const config: TraceConfig = {
    service,
    spanProcessors: {
      onStart: (span, parent) => {
        if (trace.getSpanContext(parent)?.spanId === ROOT_PARENT_ID) withoutRequest(span);
      },
      onEnd: (span) => exporter.addSpan(exported(span)),
      // The package holds it in the request's `waitUntil`, after all other work of the request.
      forceFlush: () => exporter.forceFlush(),
      shutdown: async () => undefined,
    },
    // Only sampled requests come here.
    sampling: { headSampler: createSampler({ ratio: 1 }) },
    propagator: requestIds,
    instrumentation: { instrumentGlobalFetch: false, instrumentGlobalCache: false },
  };
  const { fetch: traced } = instrument<Bindings, unknown, unknown>(
    {
      fetch: (request, _, executionContext) => {
        if (!isGuarded) guardTracers();
        isGuarded = true;
        return fetch(request, bindings, executionContext);
      },
    },
    config,
  );
  return (request, _, executionContext) => (traced ?? fetch)(request, NO_BINDINGS, executionContext);
};
