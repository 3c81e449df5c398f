/**
 * What telemetry costs an origin's request, in microseconds of a processor: the origin's application several times in one process,
 * in short turns, one after the other. Between processes more differs than telemetry costs. The answer is made from nothing, and
 * no socket is in between; what is sent to the collector counts, until it is there.
 */

import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { trace } from "@opentelemetry/api";
import { parseSigningKeys, type SigningKey } from "../../../../src/middleware/signature/signing-keys.ts";
import { nodeHmac } from "../../../../src/origin/config/hmac.ts";
import { logTransitions } from "../../../../src/origin/lifecycle/jobs.ts";
import { createLog } from "../../../../src/origin/log/log.ts";
import type { LoadShedding } from "../../../../src/origin/middleware/load-shedding.ts";
import {
  createRequestTelemetry,
  type RequestTelemetry,
} from "../../../../src/origin/middleware/request-telemetry.ts";
import { startTracing } from "../../../../src/origin/telemetry/tracing.ts";
import { createRequestMetrics, createTelemetryCounts } from "../../../../src/telemetry/instruments.ts";
import { createMetrics } from "../../../../src/telemetry/meter-provider.ts";
import { sealedFields } from "../../origin/sealed-request.ts";
import { createSlottedOrigin } from "../../overload/origin.ts";
import { median } from "../../support/statistics.ts";
import { textTable } from "../../support/table.ts";
import { turnOrder } from "../../support/turn-order.ts";
import { type Figures, type Goal, middleHalf } from "../comparison.ts";
import { goalText, verdict } from "../report.ts";

const AUTHORITY = "127.0.0.1:8080";
const PATH = "/v1/orders";
/** As many spans as go out in whole batches. */
const REQUESTS = 1_024;
const WARM_UP_TURNS = 10;
/** Longer than this the collector is not waited for, milliseconds. */
const TAKEN_TIMEOUT_MS = 10_000;
const LOOK_MS = 5;

/** Each over the origin without any telemetry. */
const FIGURES = {
  origin_sampled_us: { kind: "sampled", goal: { atMost: 60 } },
  origin_unsampled_us: { kind: "unsampled", goal: { atMost: 4 } },
} as const satisfies Record<string, { readonly kind: Kind; readonly goal: Goal }>;

type Kind = "base" | "unsampled" | "sampled";

const admitAll: Pick<LoadShedding, "run"> = { run: (_name, _route, _scope, work) => work() };

interface App {
  fetch(request: Request): Response | Promise<Response>;
}

/** Spans that are to be taken by the collector, and are waited for. */
const takenSpans = () => {
  let missing = 0;
  return {
    expect: (count: number): void => {
      missing += count;
    },
    take: (count: number): void => {
      missing -= count;
    },
    all: async (): Promise<void> => {
      const untilMs = performance.now() + TAKEN_TIMEOUT_MS;
      while (missing > 0) {
        if (performance.now() > untilMs) throw new Error("the collector has not taken all spans");
        await pause(LOOK_MS);
      }
    },
  };
};

const startExport = (collectorUrl: string, onTaken: (count: number) => void) => {
  const counts = createTelemetryCounts(createMetrics().meter, { exported: ["traces"], dropped: ["traces"] });
  return startTracing({
    target: { url: `${collectorUrl}/v1/traces`, headers: {} },
    resource: { "service.name": "bench", "service.instance.id": crypto.randomUUID() },
    counts: {
      ...counts,
      exported: (signal, count) => {
        onTaken(count);
        counts.exported(signal, count);
      },
    },
    transitions: logTransitions("spans", "exported", createLog("error")),
  });
};

const makeRequests = async (key: SigningKey, isSampled: boolean): Promise<Request[]> => {
  const requests: Request[] = [];
  for (let n = 0; n < REQUESTS; n += 1) {
    const fields = await sealedFields(key, AUTHORITY, {
      method: "GET",
      path: PATH,
      headers: {},
      parentSpanId: isSampled ? randomBytes(8).toString("hex") : undefined,
      identity: { auth: "api-key", principal: { id: "bench", scopes: ["orders:read"] } },
    });
    requests.push(new Request(`http://${AUTHORITY}${PATH}`, { headers: fields }));
  }
  return requests;
};

/** @returns microseconds of a processor a request */
const turn = async (
  app: App,
  requests: readonly Request[],
  settled: () => Promise<void>,
): Promise<number> => {
  const before = process.cpuUsage();
  for (const request of requests) {
    const { status } = await app.fetch(request);
    if (status !== 200) throw new Error(`the origin answered ${status}`);
  }
  await settled();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / requests.length;
};

export const measureInProcess = async (
  collectorUrl: string,
  turns: number,
): Promise<{ readonly figures: Figures; readonly report: string }> => {
  const keys = parseSigningKeys(`bench:${randomBytes(32).toString("base64")}`, nodeHmac);
  if (typeof keys === "string") throw new Error(`the signing key ${keys}`);
  const backend = { load: 0, serve: async () => undefined };
  const origin = (telemetry?: RequestTelemetry): App =>
    createSlottedOrigin(backend, admitAll, keys, [AUTHORITY], telemetry);
  const taken = takenSpans();
  const tracing = startExport(collectorUrl, taken.take);
  const recording = origin(
    createRequestTelemetry({
      observe: createRequestMetrics(createMetrics().meter),
      tracer: trace.getTracer("bench"),
    }),
  );
  const apps: Record<Kind, App> = { base: origin(), unsampled: recording, sampled: recording };
  const kinds: readonly Kind[] = ["base", "unsampled", "sampled"];

  const measured: Record<Kind, number>[] = [];
  for (let number = 0; number < turns + WARM_UP_TURNS; number += 1) {
    const us = { base: 0, unsampled: 0, sampled: 0 };
    // Each from another one on: what the one leaves behind is cleared away in the next one's time.
    for (const kind of turnOrder(kinds, number)) {
      const isSampled = kind === "sampled";
      const requests = await makeRequests(keys[0], isSampled);
      if (isSampled) taken.expect(REQUESTS);
      us[kind] = await turn(apps[kind], requests, taken.all);
    }
    if (number >= WARM_UP_TURNS) measured.push(us);
  }
  await tracing.shutdown();

  const rows = Object.entries(FIGURES).map(([name, { kind, goal }]) => {
    const more = measured.map((us) => us[kind] - us.base);
    return { name, goal, figure: median(more), middle: middleHalf(more) };
  });
  return {
    figures: Object.fromEntries(rows.map(({ name, figure }) => [name, figure])),
    report: textTable(
      [`in one process, ${turns} turns of ${REQUESTS} requests`, "more µs", "middle half", "goal", ""],
      rows.map(({ name, goal, figure, middle: [from, to] }) => [
        name,
        figure.toFixed(1),
        `${from.toFixed(1)} – ${to.toFixed(1)}`,
        goalText(goal),
        verdict(figure, goal),
      ]),
    ),
  };
};
