/** Stands in for an OpenTelemetry collector: takes what is exported, and throws it away. */
import { once } from "node:events";
import { createServer } from "node:http";

export interface SpanSink {
  /** Exporters append `/v1/traces` to `URL/NAME`. GET of `URL` tells how many batches each NAME has sent. */
  readonly url: string;
  stop(): Promise<void>;
}

export const startSpanSink = async (): Promise<SpanSink> => {
  const batches: Record<string, number> = {};
  const server = createServer((request, response) => {
    const [, name = ""] = (request.url ?? "").split("/");
    request.resume().on("end", () => {
      response.setHeader("content-type", "application/json");
      if (request.method === "GET") return response.end(JSON.stringify(batches));
      batches[name] = (batches[name] ?? 0) + 1;
      return response.end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};

/** How many batches each exporter has sent. */
export const sentBatches = async (sinkUrl: string): Promise<Readonly<Record<string, number>>> => {
  const response = await fetch(sinkUrl, { signal: AbortSignal.timeout(5_000) });
  const counts: unknown = await response.json();
  return Object.fromEntries(
    Object.entries(typeof counts === "object" && counts !== null ? counts : {}).map(([name, count]) => [
      name,
      Number(count),
    ]),
  );
};
