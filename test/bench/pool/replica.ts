/** A replica behind the contestants: a real HTTP server with one of several faults, or none. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { close, listen } from "../../support/listen.ts";

export type Mode = "ok" | "slow" | "fast503" | "hole" | "refuse" | "reset" | "midbody";

/** Identifies the requests that must not be executed twice. */
export const LOAD_ID_HEADER = "x-load-id";
/** For active checks, which meet the same fault and are no attempts. */
export const HEALTH_PATH = "/health";

/** The resolution of the counts of attempts. */
export const BUCKET_MS = 20;
export const SLOW_MS = 200;
/** The service time: a minimum, and an exponential part with this mean. */
const LEAST_MS = 2;
const JITTER_MS = 2;

export interface ReplicaCounts {
  /** Attempts by bucket of the epoch, without empty buckets. */
  readonly buckets: readonly (readonly [bucket: number, attempts: number])[];
  /** The ids of attempts that had one. */
  readonly ids: readonly string[];
}

export interface Replica {
  readonly port: number;
  turn(mode: Mode): Promise<void>;
  counts(): ReplicaCounts;
  forget(): void;
}

const BODY = JSON.stringify({ id: "1", name: "a thing", price: 1234, stock: 7, tags: ["small", "blue"] });
const LENGTH = Buffer.byteLength(BODY);

const serviceMs = (): number => LEAST_MS - Math.log(1 - Math.random()) * JITTER_MS;

const answer = (request: IncomingMessage, response: ServerResponse, status: number): void => {
  const id = request.headers["x-request-id"];
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": LENGTH,
    // The edge recognizes its origin's responses by it.
    ...(id === undefined ? {} : { "x-request-id": id }),
  });
};

const breakOff = (request: IncomingMessage, response: ServerResponse): void => {
  answer(request, response, 200);
  response.write(BODY.slice(0, LENGTH / 2), () => request.socket.destroy());
};

export const startReplica = async (): Promise<Replica> => {
  let mode: Mode = "ok";
  let buckets = new Map<number, number>();
  let ids: string[] = [];

  const count = (request: IncomingMessage): void => {
    if (request.url === HEALTH_PATH) return;
    const bucket = Math.floor(Date.now() / BUCKET_MS);
    buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
    const id = request.headers[LOAD_ID_HEADER];
    if (typeof id === "string") ids.push(id);
  };

  const finish = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response, 200);
    response.end(BODY);
  };

  const serve: Readonly<Record<Mode, (request: IncomingMessage, response: ServerResponse) => void>> = {
    ok: (request, response) => void setTimeout(finish, serviceMs(), request, response),
    slow: (request, response) => void setTimeout(finish, SLOW_MS, request, response),
    fast503: (request, response) => {
      answer(request, response, 503);
      response.end(BODY);
    },
    hole: () => undefined,
    refuse: (request) => request.socket.destroy(),
    reset: (request) => request.socket.destroy(),
    midbody: (request, response) =>
      request.method === "GET" && request.url !== HEALTH_PATH
        ? breakOff(request, response)
        : serve.ok(request, response),
  };

  const server = createServer({ keepAlive: true }, (request, response) => {
    count(request);
    // A reset comes after the request was read: it may have been executed.
    request.resume().on("end", () => serve[mode](request, response));
    request.on("error", () => undefined);
  });
  // An idle connection that a proxy keeps is never closed under a request.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  const port = await listen(server);

  return {
    port,
    turn: async (next) => {
      if (mode === "refuse" && next !== "refuse") await listen(server, port);
      if (mode !== "refuse" && next === "refuse") await close(server);
      // Requests in the hole get no later response: their connections are closed with the fault.
      if (mode === "hole" && next !== "hole") server.closeAllConnections();
      mode = next;
    },
    counts: () => ({ buckets: [...buckets], ids }),
    forget: () => {
      buckets = new Map();
      ids = [];
    },
  };
};
