/**
 * The process of the collector's stand-in: counts requests and spans, and discards them. HOST, PORT. Each sender has a
 * base address of its own, `/NAME`; GET of `/` returns the counts.
 */
import { createServer } from "node:http";
import { SPAN_MARK } from "./collector.ts";

const { HOST: host, PORT: port } = process.env;
/** Longer than any pause between two turns. */
const KEEP_ALIVE_MS = 120_000;

const senders: Record<string, { requests: number; spans: number }> = {};

const server = createServer((request, response) => {
  if (request.method === "GET") {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(senders));
    return;
  }
  const [, name = ""] = (request.url ?? "").split("/");
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const sender = senders[name] ?? { requests: 0, spans: 0 };
    senders[name] = sender;
    sender.requests += 1;
    sender.spans += Buffer.concat(chunks).toString("latin1").split(SPAN_MARK).length - 1;
    response.writeHead(200, { "content-type": "application/json", "content-length": 2 }).end("{}");
  });
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.listen({ host, port: Number(port), backlog: 4_096 });
