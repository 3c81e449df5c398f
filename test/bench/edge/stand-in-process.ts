/** The process of the stand-in: HOST, PORT, KEYS. */
import { createServer } from "node:http";
import { EDGE_PATH, internalHeaders } from "../../../src/contract/internal-headers.ts";
import { securityHeaders } from "../../../src/middleware/problems/index.ts";
import { ANSWER } from "./answer.ts";

/** Longer than workerd keeps its connections. */
const KEEP_ALIVE_MS = 120_000;

const { HOST: host, PORT: port, KEYS: keys = "{}" } = process.env;

/** The edge requests a key here if Redis was too slow: records by path. */
const records = new Map(
  Object.entries<string>(JSON.parse(keys)).map(([id, record]) => [`${EDGE_PATH}/keys/${id}`, record]),
);

const json = (content: string): Record<string, string> => ({
  "content-type": "application/json",
  "content-length": String(Buffer.byteLength(content)),
});

/** As an origin responds to a request of one principal. */
const fields = { ...securityHeaders, "cache-control": "private, no-store", ...json(ANSWER) };

const server = createServer((request, response) => {
  const { url = "", headers } = request;
  const answered = { [internalHeaders.requestId]: String(headers[internalHeaders.requestId]) };
  request.resume();
  if (url === `${EDGE_PATH}/events`) response.writeHead(204, answered).end();
  else if (url.startsWith(EDGE_PATH)) {
    const record = records.get(url);
    response.writeHead(record === undefined ? 404 : 200, { ...json(record ?? ""), ...answered }).end(record);
  } else response.writeHead(200, { ...fields, ...answered }).end(ANSWER);
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.listen({ host, port: Number(port), backlog: 4_096 });
