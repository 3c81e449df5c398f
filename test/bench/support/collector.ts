/** A stand-in for an OpenTelemetry collector, in a process of its own; see `collector-process.ts`. */
import { fileURLToPath } from "node:url";
import * as z from "zod/mini";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import type { Run } from "./bench.ts";
import { exchange } from "./exchange.ts";
import { rawRequest } from "./request-batch.ts";
import { startServer } from "./server-process.ts";

const requestCounts = z.record(z.string(), z.number());

/** Requests received so far, by the sender's name. */
export type RequestCounts = z.infer<typeof requestCounts>;

export interface Collector {
  /** The base address of a sender. */
  urlOf(name: string): string;
  sent(): Promise<RequestCounts>;
}

const COUNT = rawRequest({ method: "GET", target: "/", headers: { host: "127.0.0.1" } });

/** @throws LocalError if it does not start */
export const startCollector = async (run: Run): Promise<Collector> => {
  const process = await startServer(
    {
      name: "the collector's stand-in",
      folder: projectFolder,
      args: [fileURLToPath(new URL("./collector-process.ts", import.meta.url))],
      port: await freePort(),
      readyRequest: () => COUNT,
    },
    run,
  );
  return {
    urlOf: (name) => `http://127.0.0.1:${process.port}/${name}`,
    sent: async () => {
      const { body } = await exchange(process.port, COUNT);
      return requestCounts.parse(JSON.parse(body.toString()));
    },
  };
};

/** @throws Error if a sender has sent nothing: a server that exports less would be too fast */
export const assertSent = async (collector: Collector, names: readonly string[]): Promise<RequestCounts> => {
  const sent = await collector.sent();
  const silent = names.filter((name) => sent[name] === undefined);
  if (silent.length > 0) throw new Error(`exported no telemetry: ${silent.join(", ")}`);
  return sent;
};
