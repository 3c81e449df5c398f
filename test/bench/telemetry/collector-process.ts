/**
 * Stands in for an OpenTelemetry collector: takes what is sent, counts spans, and throws all away. HOST, PORT. Each sender
 * has a base address of its own, `/NAME`; GET of `/` tells what each one has sent.
 */
import { createServer } from "node:http";
import { type SentTelemetry, SPAN_MARK } from "./collector.ts";

const { HOST: host, PORT: port } = process.env;
/** Longer than any pause between two turns. */
const KEEP_ALIVE_MS = 120_000;

const senders = new Map<string, SentTelemetry>();
const mark = Buffer.from(SPAN_MARK);

const countOf = (body: Buffer): number => {
  let count = 0;
  for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + mark.length)) count += 1;
  return count;
};

const server = createServer((request, response) => {
  if (request.method === "GET") {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(Object.fromEntries(senders)));
    return;
  }
  const [, name = "", , signal] = (request.url ?? "").split("/");
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const known = senders.get(name) ?? { requests: 0, spans: 0 };
    const spans = signal === "traces" ? countOf(Buffer.concat(chunks)) : 0;
    senders.set(name, { requests: known.requests + 1, spans: known.spans + spans });
    response.writeHead(200, { "content-type": "application/json", "content-length": 2 }).end("{}");
  });
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.listen({ host, port: Number(port), backlog: 4_096 });
