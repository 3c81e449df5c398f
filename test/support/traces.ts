/** Received traces: their parts, and the wait until they are complete. */
import { expect } from "vitest";
import type { Span } from "../../src/local/telemetry/otlp.ts";
import type { TraceStore } from "../../src/local/telemetry/traces.ts";

export const EDGE = "breakwater-edge";
export const ORIGIN = "breakwater-origin";

/** Both tiers batch for a second, and a machine may be busy. */
export const ARRIVES = { timeout: 15_000, interval: 50 };

/** The trace id of a response's request. */
export const traceIdOfAnswer = ({ headers }: Response): string =>
  (headers.get("x-request-id") ?? "").replaceAll("-", "");

/** In the order of their start. */
export const childrenOf = (spans: readonly Span[], parent: Span | undefined): Span[] =>
  spans
    .filter(({ parentSpanId }) => parent !== undefined && parentSpanId === parent.spanId)
    .toSorted((one, other) => one.startMs - other.startMs);

export const rootsOf = (spans: readonly Span[]): Span[] =>
  spans.filter(({ parentSpanId }) => parentSpanId === undefined);

export const isStatement = ({ attributes }: Span): boolean => attributes["db.system.name"] === "postgresql";

const isAttempt = ({ service, kind, attributes }: Span): boolean =>
  service === EDGE && kind === "client" && "breakwater.attempt.number" in attributes;
const numberOf = ({ attributes }: Span): number => Number(attributes["breakwater.attempt.number"]);

/** The edge's attempts at origins, in order. */
export const attemptsOf = (spans: readonly Span[]): Span[] =>
  spans.filter(isAttempt).toSorted((one, other) => numberOf(one) - numberOf(other));

/** The origin's server span of an attempt. */
export const servedBy = (spans: readonly Span[], attempt: Span | undefined): Span | undefined =>
  childrenOf(spans, attempt)[0];

/** The missing parts of a trace that begins at the edge; empty if it is complete. */
const missingOf = (spans: readonly Span[]): string[] => {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const orphans = spans.filter(({ parentSpanId }) => parentSpanId !== undefined && !ids.has(parentSpanId));
  // An origin's span arrives with its children, which end before it.
  const unserved = attemptsOf(spans).filter((attempt) => servedBy(spans, attempt) === undefined);
  return [
    ...(rootsOf(spans).length === 0 ? ["the root"] : []),
    ...orphans.map(({ name }) => `the parent of ${name}`),
    ...unserved.map(({ name }) => `the origin's span of ${name}`),
  ];
};

/**
 * Waits until the trace has its root, each span's parent, and each attempt's span at the origin.
 *
 * @param isMore a further condition @default none
 */
export const wholeTrace = async (
  traces: TraceStore,
  traceId: string,
  isMore: (spans: readonly Span[]) => boolean = () => true,
): Promise<readonly Span[]> => {
  const spans = (): readonly Span[] => traces.get(traceId)?.spans ?? [];
  await expect
    .poll(() => [...missingOf(spans()), ...(isMore(spans()) ? [] : ["more"])], {
      ...ARRIVES,
      message: `the trace ${traceId} is complete`,
    })
    .toEqual([]);
  return spans();
};
