/** Traces as they were received: which request they are of, when they are whole, and what is below what. */
import { expect } from "vitest";
import type { Span } from "../../src/local/telemetry/otlp.ts";
import type { TraceStore } from "../../src/local/telemetry/traces.ts";

export const EDGE = "breakwater-edge";
export const ORIGIN = "breakwater-origin";

/** Both tiers gather for a second, and a machine may be busy. */
const ARRIVES = { timeout: 15_000, interval: 50 };

/** The trace's id, as the answer tells it. */
export const traceIdOfAnswer = ({ headers }: Response): string =>
  (headers.get("x-request-id") ?? "").replaceAll("-", "");

export const childrenOf = (spans: readonly Span[], parent: Span | undefined): Span[] =>
  spans
    .filter(({ parentSpanId }) => parent !== undefined && parentSpanId === parent.spanId)
    .toSorted((one, other) => one.startMs - other.startMs);

export const rootsOf = (spans: readonly Span[]): Span[] =>
  spans.filter(({ parentSpanId }) => parentSpanId === undefined);

const isAttempt = ({ service, kind, attributes }: Span): boolean =>
  service === EDGE && kind === "client" && "breakwater.attempt.number" in attributes;

/** In the order in which they were made. */
export const attemptsOf = (spans: readonly Span[]): Span[] =>
  spans
    .filter(isAttempt)
    .toSorted(
      ({ attributes: one }, { attributes: other }) =>
        Number(one["breakwater.attempt.number"]) - Number(other["breakwater.attempt.number"]),
    );

/** The request's span at the origin that an attempt has reached. */
export const servedBy = (spans: readonly Span[], attempt: Span | undefined): Span | undefined =>
  childrenOf(spans, attempt)[0];

/** What is missing of a trace of which the first span is the edge's; empty where it is whole. */
const missingOf = (spans: readonly Span[]): string[] => {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const orphans = spans.filter(({ parentSpanId }) => parentSpanId !== undefined && !ids.has(parentSpanId));
  // An origin's span comes with what is below it: that has ended before.
  const unserved = attemptsOf(spans).filter((attempt) => servedBy(spans, attempt) === undefined);
  return [
    ...(rootsOf(spans).length === 0 ? ["the root"] : []),
    ...orphans.map(({ name }) => `the parent of ${name}`),
    ...unserved.map(({ name }) => `what the origin has to tell of ${name}`),
  ];
};

/**
 * Waits until the trace is whole: its root is there, each span's parent, and each attempt's span at the origin.
 *
 * @param isMore what has to hold besides
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
      message: `the trace ${traceId} is whole`,
    })
    .toEqual([]);
  return spans();
};
