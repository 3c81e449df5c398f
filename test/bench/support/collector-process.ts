/**
 * The process of the collector's stand-in: counts requests, and discards them. HOST, PORT. Each sender has a
 * base address of its own, `/NAME`; GET of `/` returns the counts.
 */
import { createServer } from "node:http";

const { HOST: host, PORT: port } = process.env;
/** Longer than any pause between two turns. */
const KEEP_ALIVE_MS = 120_000;

const counts: Record<string, number> = {};

const server = createServer((request, response) => {
  if (request.method === "GET") {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(counts));
    return;
  }
  const [, name = ""] = (request.url ?? "").split("/");
  request.resume().on("end", () => {
    counts[name] = (counts[name] ?? 0) + 1;
    response.writeHead(200, { "content-type": "application/json", "content-length": 2 }).end("{}");
  });
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.listen({ host, port: Number(port), backlog: 4_096 });
