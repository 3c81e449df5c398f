/** The real origin, once for each setting of its telemetry, with requests as the edge sends them. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { originEnvironment, UNCACHED } from "../origin/breakwater.ts";
import { createSigningKey, sealedRequest } from "../origin/sealed-request.ts";
import { hotProductIdOf, productIdOf } from "../origin/workload.ts";
import type { Run } from "../support/bench.ts";
import type { Cores } from "../support/cores.ts";
import { type RequestBatch, requestBatch } from "../support/request-batch.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import type { Services } from "../support/services.ts";
import { startLogReader } from "./log-reader.ts";

/** `none`: without any telemetry, which takes a change of the program; `off`: metrics alone, the default. */
export const ORIGIN_SERVERS = ["none", "off", "log", "traces", "on"] as const;
export type OriginServer = (typeof ORIGIN_SERVERS)[number];

/** `trivial`: from memory; `statement`: with a SELECT. */
export type OriginRoute = "trivial" | "statement";

export interface Origin {
  readonly process: ServerProcess;
  /** Requests that are accepted once, within 30 s. @param sampledIn one in so many is sampled; 0: none */
  requests(route: OriginRoute, sampledIn: number, count: number): Promise<RequestBatch>;
}

export interface OriginSurroundings {
  readonly services: Services;
  readonly cores: Cores;
  /** For the pipes of logs. */
  readonly folder: string;
}

const signing = createSigningKey();
const WITHOUT_TELEMETRY = new URL("./without-telemetry.ts", import.meta.url).href;
const SPAN_ID_BYTES = 8;

const requestOf = (authority: string, route: OriginRoute, n: number, isSampled: boolean): Promise<string> => {
  const id = route === "trivial" ? hotProductIdOf(n) : productIdOf(n);
  return sealedRequest(signing.key, authority, {
    method: "GET",
    path: `/v1/products/${id}`,
    headers: { accept: "application/json", ...(route === "trivial" ? {} : UNCACHED) },
    parentSpanId: isSampled ? randomBytes(SPAN_ID_BYTES).toString("hex") : undefined,
    identity: { auth: "none" },
  });
};

/** @throws LocalError if it does not start */
export const startOriginServer = async (
  server: OriginServer,
  { services, cores, folder }: OriginSurroundings,
  run: Run,
): Promise<Origin> => {
  const port = await freePort();
  const authority = `127.0.0.1:${port}`;
  const log = join(folder, server);
  await startLogReader(log, run);
  const isExporting = server === "traces" || server === "on";
  const process = await startServer(
    {
      name: `the origin (${server})`,
      folder: projectFolder,
      args: [
        ...(server === "none" ? ["--import", WITHOUT_TELEMETRY] : []),
        join(projectFolder, "src/origin/main.ts"),
      ],
      environment: {
        ...originEnvironment(services, signing.text),
        ORIGIN_AUTHORITIES: authority,
        ACCESS_LOG: String(server === "log" || server === "on"),
        ...(isExporting && { OTEL_EXPORTER_OTLP_ENDPOINT: services.collector.urlOf(server) }),
      },
      port,
      before: cores.before,
      log,
      readyRequest: () => requestOf(authority, "statement", 0, false),
    },
    run,
  );
  return {
    process,
    requests: async (route, sampledIn, count) => {
      const requests: string[] = [];
      for (let n = 0; n < count; n += 1)
        requests.push(await requestOf(authority, route, n, sampledIn > 0 && n % sampledIn === 0));
      return requestBatch(requests, false);
    },
  };
};
