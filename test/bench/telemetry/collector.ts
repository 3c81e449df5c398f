/** The stand-in of a collector, seen from the benchmark; see `collector-process.ts`. */
import { fileURLToPath } from "node:url";
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { exchange } from "../support/exchange.ts";
import { rawRequest } from "../support/request-batch.ts";
import { startServer } from "../support/server-process.ts";

/** Each span has it once (opentelemetry-proto, "JSON Protobuf Encoding"). */
export const SPAN_MARK = '"spanId"';

export interface SentTelemetry {
  /** To the collector. */
  readonly requests: number;
  readonly spans: number;
}

export interface Collector {
  /** The base address of who is called so. */
  urlOf(name: string): string;
  /** What each has sent so far. */
  sent(): Promise<ReadonlyMap<string, SentTelemetry>>;
}

const ASK = rawRequest({ method: "GET", target: "/", headers: { host: "127.0.0.1" } });

const numberOf = (value: unknown, name: string): number =>
  Number(
    typeof value === "object" && value !== null
      ? Object.entries(value).find(([key]) => key === name)?.[1]
      : 0,
  );

/** @throws LocalError where it does not start */
export const startCollector = async (stops: CleanupStack, signal: AbortSignal): Promise<Collector> => {
  const process = await startServer({
    name: "the collector's stand-in",
    folder: projectFolder,
    args: [fileURLToPath(new URL("./collector-process.ts", import.meta.url))],
    environment: {},
    port: await freePort(),
    readyRequest: async () => ASK,
    signal,
  });
  stops.add(() => process.stop());
  return {
    urlOf: (name) => `http://127.0.0.1:${process.port}/${name}`,
    sent: async () => {
      const told: unknown = JSON.parse((await exchange(process.port, ASK)).body.toString());
      return new Map(
        Object.entries(typeof told === "object" && told !== null ? told : {}).map(([name, each]) => [
          name,
          { requests: numberOf(each, "requests"), spans: numberOf(each, "spans") },
        ]),
      );
    },
  };
};
