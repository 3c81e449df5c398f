/**
 * The isolate's tracer provider: @microlabs/otel-cf-workers, entered for sampled requests only. It starts the
 * server span, and provides tracers and the active context of `@opentelemetry/api`. Attributes from the
 * client's request are removed. A span goes to the exporter when it ends; nothing else of a trace is stored.
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
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { spanName } from "../../lib/http.ts";
import type { Service } from "../../telemetry/resource.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { TelemetryExporter } from "./exporter.ts";

type Bindings = Readonly<Record<string, unknown>>;
export type FetchHandler = ExportedHandlerFetchHandler<Bindings>;

export interface TracingOptions {
  /** Serves a request, in the context of its server span. */
  readonly fetch: FetchHandler;
  readonly bindings: Bindings;
  readonly exporter: TelemetryExporter;
  readonly service: Service;
}

/** The package takes trace ids only from parents: each server span gets this one, which is never exported. */
const ROOT_PARENT_ID = `${"0".repeat(15)}1`;

/** Ignores a client's trace context; the trace id is a new request id. */
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

/** Request attributes that are safe to record; the others contain queries and other text from clients. */
const KEPT_OF_REQUEST: ReadonlySet<string> = new Set(["faas.coldstart", "network.protocol.name", "net.colo"]);
/** Response attributes of the package that are in no semantic convention. */
const DROPPED_OF_RESPONSE: ReadonlySet<string> = new Set(["http.mime_type", "http.response.body.size"]);

const withoutRequest = ({ attributes }: Pick<ReadableSpan, "attributes">): void => {
  for (const name of Object.keys(attributes))
    if (!KEPT_OF_REQUEST.has(name)) Reflect.deleteProperty(attributes, name);
};

/** A span as it is exported, with the resource's attributes, which the package does not take. */
const exported = (span: ReadableSpan, resource: ReadableSpan["resource"]): ReadableSpan => {
  const { parentSpanContext } = span;
  const isServerSpan = parentSpanContext?.spanId === ROOT_PARENT_ID;
  if (!isServerSpan && resource === span.resource) return span;
  const { kind, startTime, endTime, status, links, events, duration, ended } = span;
  const { instrumentationScope, droppedAttributesCount, droppedEventsCount, droppedLinksCount } = span;
  const rest = {
    spanContext: () => span.spanContext(),
    ...{ kind, startTime, endTime, status, links, events, duration, ended, resource },
    ...{ instrumentationScope, droppedAttributesCount, droppedEventsCount, droppedLinksCount },
  };
  if (!isServerSpan)
    return {
      name: span.name,
      attributes: span.attributes,
      ...(parentSpanContext && { parentSpanContext }),
      ...rest,
    };
  const attributes = Object.fromEntries(
    Object.entries(span.attributes).filter(([name]) => !DROPPED_OF_RESPONSE.has(name)),
  );
  const { "http.request.method": method = "", "http.route": route = "" } = attributes;
  return {
    // The package's own name contains the client's unchecked method.
    name: spanName(String(method), String(route)),
    attributes,
    ...rest,
  };
};

/** Without a delegate, a proxy's tracers create spans that record nothing. */
const NOOP_TRACER: Tracer = new ProxyTracerProvider().getTracer("noop");

const isContext = (value: unknown): value is Context =>
  typeof value === "object" && value !== null && "getValue" in value;

/** @param parent the third argument of `startSpan` or `startActiveSpan`, possibly a context */
const isTraced = (parent: unknown): boolean =>
  trace.getSpanContext(context.active()) !== undefined ||
  (isContext(parent) && trace.getSpanContext(parent)?.spanId === ROOT_PARENT_ID);

/** The package's tracers throw in unsampled requests, where a user's own span must be a no-op. */
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

/** Call it in a request that the package has entered: the first one registers the package's provider. */
const guardTracers = (): void => {
  const proxy = trace.getTracerProvider();
  if (!(proxy instanceof ProxyTracerProvider)) return;
  const provider = proxy.getDelegate();
  const guarded: TracerProvider = { getTracer: (...name) => sampledOnly(provider.getTracer(...name)) };
  proxy.setDelegate(guarded);
};

/**
 * In each request the package reads a property with a random name from each binding, and V8 never frees such
 * names: 1.2 KB per request. So the package gets no bindings.
 */
const NO_BINDINGS: Bindings = {};

/** @returns serves a sampled request */
export const createTracedFetch = ({ fetch, bindings, exporter, service }: TracingOptions): FetchHandler => {
  const { serviceName, serviceVersion, resourceAttributes = {} } = service;
  const added = Object.keys(resourceAttributes).length > 0 && resourceFromAttributes(resourceAttributes);
  /** One for all spans: the exporter sends them together. The service's own name and version win. */
  let resource: ReadableSpan["resource"] | undefined;
  let isGuarded = false;
  const config: TraceConfig = {
    service: { name: serviceName, version: serviceVersion },
    spanProcessors: {
      onStart: (span, parent) => {
        if (trace.getSpanContext(parent)?.spanId === ROOT_PARENT_ID) withoutRequest(span);
      },
      onEnd: (span) => {
        resource ??= added ? added.merge(span.resource) : span.resource;
        exporter.addSpan(exported(span, resource));
      },
      // The package passes it to `waitUntil` after all other work of the request.
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
