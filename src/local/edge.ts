/** The worker in miniflare, behind a front that does for it what the platform does. */
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { Log, LogLevel, Miniflare } from "miniflare";
import type { EdgeBundle } from "./edge-bundle.ts";
import { LocalError } from "./local-error.ts";

export interface EdgeOptions {
  readonly bundle: EdgeBundle;
  readonly port: number;
  /** The worker's vars and secrets. */
  readonly environment: Readonly<Record<string, string>>;
  readonly onLine?: (line: string) => void;
}

export interface LocalEdge {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * On the platform a client cannot choose CF-Connecting-IP. Here every client is 127.0.0.1, unless it names
 * another address in X-Local-Client, which exists nowhere else.
 */
const FRONT = `
export default {
  fetch(request, { EDGE }) {
    const headers = new Headers(request.headers);
    headers.set("cf-connecting-ip", headers.get("x-local-client") ?? "127.0.0.1");
    headers.delete("x-local-client");
    return EDGE.fetch(new Request(request, { headers }));
  },
};`;

/**
 * Miniflare ends the whole process on a signal, before anything else could be stopped in order; what it
 * listens for is taken away again. It is stopped by `dispose`, and on exit by itself.
 */
const withoutSignalListeners = <T>(make: () => T): T => {
  const signals = ["SIGINT", "SIGTERM"] as const;
  const before = new Set(signals.flatMap((signal) => process.rawListeners(signal)));
  const made = make();
  for (const signal of signals) {
    for (const listener of process.listeners(signal)) {
      if (!before.has(listener)) process.off(signal, listener);
    }
  }
  return made;
};

/** @throws LocalError where the worker does not start */
export const startEdge = async ({ bundle, port, environment, onLine }: EdgeOptions): Promise<LocalEdge> => {
  const { path, ...compatibility } = bundle;
  const miniflare = withoutSignalListeners(
    () =>
      new Miniflare({
        host: "127.0.0.1",
        port,
        log: new Log(LogLevel.NONE),
        cf: false,
        handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
          for (const stream of [stdout, stderr]) {
            createInterface({ input: stream }).on("line", (line) => {
              if (line !== "") onLine?.(line);
            });
          }
        },
        workers: [
          {
            name: "front",
            modules: true,
            script: FRONT,
            compatibilityDate: bundle.compatibilityDate,
            serviceBindings: { EDGE: "edge" },
          },
          {
            name: "edge",
            modules: [{ type: "ESModule", path }],
            modulesRoot: dirname(path),
            ...compatibility,
            bindings: { ...environment },
          },
        ],
      }),
  );
  try {
    const ready = await miniflare.ready;
    return { url: ready.origin, stop: () => miniflare.dispose() };
  } catch (error) {
    await miniflare.dispose().catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    throw new LocalError(`the edge did not start: ${reason.split("\n").slice(0, 3).join(" ")}`);
  }
};
