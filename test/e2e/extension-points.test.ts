/** What a handler and a job of one's own receive: settings, a log, calls to other services with a breaker, runs in one process. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { projectFolder } from "../../src/local/state-dir.ts";
import { type LocalRun, runLocal } from "../support/local-run.ts";
import { createProjectWithApi, type ProjectWithApi } from "../support/project-with-api.ts";

const traceJson = z.object({
  spans: z.array(z.object({ spanId: z.string(), parentSpanId: z.optional(z.string()), name: z.string() })),
});

let project: ProjectWithApi;
let partner: Server;
/** What the partner has received. */
const received: (string | undefined)[] = [];
let hangs = false;
let run: LocalRun;
let api = "";
let tracesUrl = "";
let metricsUrls: string[] = [];

const startPartner = async (): Promise<string> => {
  partner = createServer((request, response) => {
    received.push(request.headers["traceparent"]?.toString());
    if (!hangs) response.end("7");
  });
  partner.listen(0, "127.0.0.1");
  await once(partner, "listening");
  const address = partner.address();
  return typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : "";
};

beforeAll(async () => {
  project = await createProjectWithApi(join(projectFolder, "test/fixtures/quotes"));
  expect(await project.typeErrors()).toBe("");
  const environment = { API_PARTNER_URL: await startPartner() };
  run = runLocal(project.folder, join(project.folder, ".breakwater"), [], environment);
  await run.line("Ctrl-C stops everything");
  api = (await run.line("  API ")).split(/\s+/)[2] ?? "";
  tracesUrl = (await run.line("  Traces ")).match(/http:\S+/)?.[0] ?? "";
  metricsUrls = (await run.line("  Metrics ")).match(/http:\S+/g)?.slice(1) ?? [];
});
afterAll(async () => {
  run?.interrupt();
  await run?.exited;
  partner?.closeAllConnections();
  partner?.close();
  await project?.remove();
});

const getQuote = () => fetch(`${api}/v1/quotes/rope`);

const originMetrics = async (): Promise<string> =>
  (await Promise.all(metricsUrls.map(async (url) => await (await fetch(url)).text()))).join("\n");

describe("a handler that calls a partner", () => {
  test("gets its response, traced from the edge to the partner", async () => {
    const response = await getQuote();
    expect(await response.json()).toEqual({ item: "rope", price: 7 });
    const requestId = response.headers.get("x-request-id") ?? "";
    const traceId = requestId.replaceAll("-", "");
    expect(received.at(-1)).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    const parentOfCall = async () => {
      const { data } = traceJson.safeParse(await (await fetch(`${tracesUrl}/${requestId}.json`)).json());
      const call = data?.spans.find(({ spanId }) => received.at(-1)?.includes(spanId));
      return data?.spans.find(({ spanId }) => spanId === call?.parentSpanId)?.name;
    };
    await expect.poll(parentOfCall).toBe("GET /v1/quotes/:item");
    await expect
      .poll(originMetrics)
      .toMatch(/^http_client_request_duration_seconds_count\{[^}]*service_peer_name="partner"[^}]*\} 1$/m);
  });

  test("logs lines that have the request's id", async () => {
    const { headers } = await getQuote();
    const id = headers.get("x-request-id")?.slice(0, 8) ?? "none";
    await expect
      .poll(() => run.output.filter((line) => line.includes("asking the partner") && line.includes(id)))
      .toHaveLength(1);
  });

  test("responds with 503 while the partner hangs, within the call's timeout, and at once when the breaker is open", async () => {
    hangs = true;
    const slow = await getQuote();
    expect(slow.status).toBe(503);
    const calls = async (): Promise<number> => {
      await getQuote();
      const before = received.length;
      const response = await getQuote();
      expect(response.status).toBe(503);
      return received.length - before;
    };
    await expect.poll(calls, { timeout: 30_000 }).toBe(0);
    expect(await originMetrics()).toMatch(
      /^circuit_breaker_state\{[^}]*dependency="http"[^}]*state="open"[^}]*\} 1$/m,
    );
    hangs = false;
    await expect.poll(async () => (await getQuote()).status, { timeout: 30_000 }).toBe(200);
  });
});

describe("a background job", () => {
  const processes = async (): Promise<readonly number[]> => {
    const { data } = z
      .object({ processes: z.array(z.number()) })
      .safeParse(await (await fetch(`${api}/v1/counts`)).json());
    return data?.processes ?? [];
  };

  test("goes on in another origin when the one that runs it is killed", async () => {
    await expect.poll(async () => (await processes()).length, { timeout: 20_000 }).toBeGreaterThan(2);
    const last = (await processes()).at(-1) ?? 0;
    process.kill(last, "SIGKILL");
    const others = async () => (await processes()).filter((each) => each !== last).length;
    const before = await others();
    await expect.poll(others, { timeout: 30_000 }).toBeGreaterThan(before);
  });

  test("is measured, and logged with its name", async () => {
    await expect
      .poll(originMetrics)
      .toMatch(
        /^background_job_duration_seconds_count\{[^}]*background_job="count-stock"[^}]*outcome="succeeded"[^}]*\} [1-9]/m,
      );
    expect(run.output.some((line) => line.includes("counting the stock"))).toBe(true);
  });
});
