/**
 * The cost of telemetry per request of the origin, in microseconds of processor time: the origin's application several times
 * in one process, in short turns, because processes differ by more than telemetry costs. There is neither a socket nor a
 * database; the export counts, until it has arrived at the collector.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { trace } from "@opentelemetry/api";
import { logTransitions } from "../../../src/origin/lifecycle/jobs.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { startTracing } from "../../../src/origin/telemetry/tracing.ts";
import { createRequestMetrics, createTelemetryCounts } from "../../../src/telemetry/instruments.ts";
import { createMetrics } from "../../../src/telemetry/meter-provider.ts";
import { SIGNING_KEYS, signEdgeRequest, signingKeyOf } from "../../support/signed-request.ts";
import { createSlottedOrigin } from "../overload/origin.ts";
import { type Figures, type Goal, goalText, rounded, verdict } from "../support/comparison.ts";
import { median, percentile } from "../support/statistics.ts";
import { textTable } from "../support/table.ts";
import { turnOrder } from "../support/turn-order.ts";

const AUTHORITY = "127.0.0.1:8080";
const PATH = "/v1/orders";
/** A multiple of the batch size. */
const REQUESTS = 1_024;
const WARM_UP_TURNS = 10;
/** How long the collector is awaited. */
const ARRIVAL_TIMEOUT_MS = 10_000;
const POLL_MS = 5;

const KINDS = ["base", "unsampled", "sampled"] as const;
type Kind = (typeof KINDS)[number];

/** In comparison with the origin without any telemetry. */
const FIGURES: readonly { readonly name: string; readonly kind: Kind; readonly goal: Goal }[] = [
  { name: "origin_sampled_us", kind: "sampled", goal: { atMost: 60 } },
  { name: "origin_unsampled_us", kind: "unsampled", goal: { atMost: 4 } },
];

interface App {
  fetch(request: Request): Response | Promise<Response>;
}

/** The real exporter. @param onExported called with the number of spans in each batch */
const startExport = (collectorUrl: string, onExported: (count: number) => void) => {
  const counts = createTelemetryCounts(createMetrics().meter, { exported: ["traces"], dropped: ["traces"] });
  return startTracing({
    target: { url: `${collectorUrl}/v1/traces`, headers: {} },
    resource: { "service.name": "bench", "service.instance.id": crypto.randomUUID() },
    counts: {
      ...counts,
      exported: (signal, count) => {
        onExported(count);
        counts.exported(signal, count);
      },
    },
    transitions: logTransitions("spans", "exported", createLog("error")),
  });
};

const makeRequests = async (isSampled: boolean): Promise<Request[]> => {
  const requests: Request[] = [];
  for (let n = 0; n < REQUESTS; n += 1) {
    const { headers } = await signEdgeRequest(AUTHORITY, {
      path: PATH,
      parentSpanId: isSampled ? randomBytes(8).toString("hex") : undefined,
      principal: "bench",
    });
    requests.push(new Request(`http://${AUTHORITY}${PATH}`, { headers }));
  }
  return requests;
};

export const measureInProcess = async (
  collectorUrl: string,
  turns: number,
): Promise<{ readonly figures: Figures; readonly report: string }> => {
  const key = signingKeyOf(SIGNING_KEYS);
  const backend = { load: 0, serve: async () => undefined };
  let missing = 0;
  const tracing = startExport(collectorUrl, (count) => {
    missing -= count;
  });
  const recording = createSlottedOrigin(backend, [key], [AUTHORITY], {
    telemetry: {
      observe: createRequestMetrics(createMetrics().meter),
      tracer: trace.getTracer("bench"),
    },
  });
  const base = createSlottedOrigin(backend, [key], [AUTHORITY]);
  const apps: Readonly<Record<Kind, App>> = { base, unsampled: recording, sampled: recording };

  /** @returns microseconds of processor time per request */
  const turn = async (kind: Kind): Promise<number> => {
    const requests = await makeRequests(kind === "sampled");
    if (kind === "sampled") missing += REQUESTS;
    const before = process.cpuUsage();
    for (const request of requests) {
      const { status } = await apps[kind].fetch(request);
      if (status !== 200) throw new Error(`the origin responded ${status}`);
    }
    const untilMs = performance.now() + ARRIVAL_TIMEOUT_MS;
    while (missing > 0) {
      if (performance.now() > untilMs) throw new Error("the collector has not received all spans");
      await pause(POLL_MS);
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / REQUESTS;
  };

  const measured: Record<Kind, number>[] = [];
  for (let number = 0; number < turns + WARM_UP_TURNS; number += 1) {
    const us = { base: 0, unsampled: 0, sampled: 0 };
    for (const kind of turnOrder(KINDS, number)) us[kind] = await turn(kind);
    if (number >= WARM_UP_TURNS) measured.push(us);
  }
  await tracing.shutdown();

  const rows = FIGURES.map(({ name, kind, goal }) => {
    const more = measured.map((us) => us[kind] - us.base);
    return { name, goal, more, figure: rounded(median(more)) };
  });
  return {
    figures: Object.fromEntries(rows.map(({ name, figure }) => [name, figure])),
    report: textTable(
      [`in one process, ${turns} turns of ${REQUESTS} requests`, "more µs", "middle half", "goal", ""],
      rows.map(({ name, goal, more, figure }) => [
        name,
        figure.toFixed(1),
        `${percentile(more, 25).toFixed(1)} – ${percentile(more, 75).toFixed(1)}`,
        goalText(goal),
        verdict(figure, goal),
      ]),
    ),
  };
};
