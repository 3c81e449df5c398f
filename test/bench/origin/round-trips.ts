/** What a request asks of PostgreSQL: statements, and the waits for its replies. */
import { connect, createServer } from "node:net";
import { listen } from "../../support/listen.ts";
import type { Run } from "../support/bench.ts";
import { exchange } from "../support/exchange.ts";
import { requestsOf } from "../support/request-batch.ts";
import type { Services } from "../support/services.ts";
import { median } from "../support/statistics.ts";
import { textTable } from "../support/table.ts";
import { type Contestant, KINDS, type Kind } from "./workload.ts";

interface Traffic {
  statements: number;
  roundTrips: number;
}

/** A connection's first message, which has no type, and TLS requests. */
const HEADER_BYTES = 5;
/** Execute, and a simple query (PostgreSQL, "Message Formats"). */
const STATEMENT_TYPES: readonly string[] = ["E", "Q"];

/** Counts a client's statements. Messages may be split between chunks. */
const createMessageCounter = (onStatement: () => void): ((chunk: Buffer) => void) => {
  let rest: Buffer = Buffer.alloc(0);
  let hasBegun = false;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const typeBytes = hasBegun ? 1 : 0;
      if (rest.length < HEADER_BYTES) return;
      const length = typeBytes + rest.readUInt32BE(typeBytes);
      if (rest.length < length) return;
      if (hasBegun && STATEMENT_TYPES.includes(String.fromCharCode(rest[0] ?? 0))) onStatement();
      hasBegun = true;
      rest = rest.subarray(length);
    }
  };
};

/** A proxy in front of PostgreSQL. A round trip begins with a client's bytes after a reply, or with its first. */
const startCounter = async (databaseUrl: string, traffic: Traffic, { stops }: Run): Promise<string> => {
  const target = new URL(databaseUrl);
  const server = createServer((client) => {
    const database = connect({ host: target.hostname, port: Number(target.port) });
    const count = createMessageCounter(() => {
      traffic.statements += 1;
    });
    let isWaiting = false;
    client.on("data", (chunk: Buffer) => {
      count(chunk);
      if (!isWaiting) traffic.roundTrips += 1;
      isWaiting = true;
    });
    database.on("data", () => {
      isWaiting = false;
    });
    for (const socket of [client, database]) {
      socket.setNoDelay().on("error", () => undefined);
      socket.on("close", () => {
        client.destroy();
        database.destroy();
      });
    }
    client.pipe(database).pipe(client);
  });
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${await listen(server)}`;
  stops.add(async () => void server.close());
  return url.href;
};

const REQUESTS = 15;
/** Until connections are open and statements prepared. */
const WARM_UP = 30;

/** @returns per kind, the medians of some requests, one at a time */
const trafficOf = async (
  { process, requests }: Contestant,
  kind: Kind,
  traffic: Traffic,
): Promise<Traffic> => {
  const next = requestsOf(await requests(kind, WARM_UP + REQUESTS));
  const each: Traffic[] = [];
  for (let n = 0; n < WARM_UP + REQUESTS; n += 1) {
    const before = { ...traffic };
    await exchange(process.port, Buffer.from(next() ?? []).toString());
    each.push({
      statements: traffic.statements - before.statements,
      roundTrips: traffic.roundTrips - before.roundTrips,
    });
  }
  const measured = each.slice(WARM_UP);
  return {
    statements: median(measured.map(({ statements }) => statements)),
    roundTrips: median(measured.map(({ roundTrips }) => roundTrips)),
  };
};

/**
 * A table of statements and round trips per request.
 *
 * @param start starts a server on the given services
 */
export const roundTripTable = async (
  services: Services,
  starts: readonly ((services: Services) => Promise<Contestant>)[],
  run: Run,
): Promise<string> => {
  const rows: string[][] = [];
  for (const start of starts) {
    const traffic: Traffic = { statements: 0, roundTrips: 0 };
    const databaseUrl = await startCounter(services.databaseUrl, traffic, run);
    const contestant = await start({ ...services, databaseUrl });
    for (const kind of KINDS.filter((each) => contestant.kinds.includes(each))) {
      const { statements, roundTrips } = await trafficOf(contestant, kind, traffic);
      rows.push([`${contestant.title}: ${kind}`, String(statements), String(roundTrips)]);
    }
  }
  return textTable(["PostgreSQL, per request", "statements", "round trips"], rows);
};
