/**
 * What telemetry costs an origin's request, in microseconds of a processor: the origin's application three times in one process,
 * in short turns, one after the other. Between processes more differs than telemetry costs. The answer is made from nothing, and
 * no socket is in between; what is sent to the collector counts, until it is there.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Registry } from "prom-client";
import { tierHeaders } from "../../../../src/contract/tier-headers.ts";
import { parseSigningKeys } from "../../../../src/core/signature/signing-keys.ts";
import type { Admission } from "../../../../src/origin/admission.ts";
import { failing } from "../../../../src/origin/failing.ts";
import { createLog } from "../../../../src/origin/log.ts";
import { createRequestMetrics } from "../../../../src/origin/metrics/request-metrics.ts";
import { createRequestTelemetry } from "../../../../src/origin/telemetry/request-telemetry.ts";
import { createSpanCourier } from "../../../../src/origin/telemetry/span-courier.ts";
import { createTelemetryCounts } from "../../../../src/origin/telemetry/telemetry-counts.ts";
import { createTracing } from "../../../../src/origin/telemetry/tracing.ts";
import { sealedFields } from "../../origin/sealed-request.ts";
import { createSlottedOrigin } from "../../overload/origin.ts";
import { median } from "../../support/statistics.ts";
import { textTable } from "../../support/table.ts";
import { type Figures, type Goal, isMet, middleHalf } from "../comparison.ts";

const AUTHORITY = "127.0.0.1:8080";
const PATH = "/v1/orders";
/** As many spans as go out in whole batches. */
const REQUESTS = 1_024;
const WARM_UP_TURNS = 10;
/** Longer than this the collector is not waited for, milliseconds. */
const TAKEN_TIMEOUT_MS = 10_000;
const LOOK_MS = 5;
const GOALS = { origin_sampled_us: { atMost: 15 }, origin_unsampled_us: { atMost: 4 } } as const;

const admitAll: Admission = { run: (_name, _route, _scope, work) => work() };

interface App {
  fetch(request: Request): Response | Promise<Response>;
}

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
  const keys = parseSigningKeys(`bench:${randomBytes(32).toString("base64")}`);
  if (typeof keys === "string") throw new Error(`the signing key ${keys}`);
  const backend = { load: 0, serve: async () => undefined };
  let begun = 0;
  let taken = 0;
  const counts = createTelemetryCounts(new Registry());
  const courier = createSpanCourier({
    target: { url: `${collectorUrl}/v1/traces`, headers: {} },
    resource: { "service.name": "bench", "service.instance.id": crypto.randomUUID() },
    counts: {
      ...counts,
      exported: (signal, count) => {
        taken += count;
        counts.exported(signal, count);
      },
    },
    told: failing("spans", "exported", createLog("error")),
  });
  const tracing = createTracing(courier.add, Math.random);
  const telemetry = createRequestTelemetry({ observe: createRequestMetrics(new Registry()), tracing });
  const without = createSlottedOrigin(backend, admitAll, keys, [AUTHORITY]);
  const withAll = createSlottedOrigin(backend, admitAll, keys, [AUTHORITY], telemetry);

  const make = async (isSampled: boolean): Promise<Request[]> => {
    const requests: Request[] = [];
    for (let n = 0; n < REQUESTS; n += 1) {
      const fields = await sealedFields(keys[0], AUTHORITY, {
        method: "GET",
        path: PATH,
        headers: isSampled ? { [tierHeaders.parentSpan]: randomBytes(8).toString("hex") } : {},
        verdict: { auth: "api-key", principal: { id: "bench", scopes: ["orders:read"] } },
      });
      requests.push(new Request(`http://${AUTHORITY}${PATH}`, { headers: fields }));
    }
    return requests;
  };
  const nothing = async (): Promise<void> => undefined;
  const untilTaken = async (): Promise<void> => {
    const untilMs = performance.now() + TAKEN_TIMEOUT_MS;
    while (taken < begun) {
      if (performance.now() > untilMs) throw new Error("the collector has not taken all spans");
      await pause(LOOK_MS);
    }
  };

  const sampled: number[] = [];
  const unsampled: number[] = [];
  for (let number = 0; number < turns + WARM_UP_TURNS; number += 1) {
    const base = await turn(without, await make(false), nothing);
    const one = await turn(withAll, await make(false), nothing);
    begun += REQUESTS;
    const other = await turn(withAll, await make(true), untilTaken);
    if (number < WARM_UP_TURNS) continue;
    unsampled.push(one - base);
    sampled.push(other - base);
  }
  await courier.shutdown();

  const figures = { origin_sampled_us: median(sampled), origin_unsampled_us: median(unsampled) };
  const row = (name: keyof typeof figures, values: readonly number[]): string[] => {
    const goal: Goal = GOALS[name];
    const [from, to] = middleHalf(values);
    const figure = figures[name];
    return [
      name,
      figure.toFixed(1),
      `${from.toFixed(1)} – ${to.toFixed(1)}`,
      `≤ ${goal.atMost}`,
      isMet(figure, goal) ? "met" : "MISSED",
    ];
  };
  return {
    figures,
    report: textTable(
      [`in one process, ${turns} turns of ${REQUESTS} requests`, "more µs", "middle half", "goal", ""],
      [row("origin_sampled_us", sampled), row("origin_unsampled_us", unsampled)],
    ),
  };
};
