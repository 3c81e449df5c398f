/** The processor time of single requests, of cells whose requests follow each other one by one. */
import { connect } from "node:net";
import type { BenchOptions } from "../support/bench.ts";
import { isGood } from "../support/load-turn.ts";
import { type ReadResponse, ResponseReader } from "../support/response-reader.ts";
import { turnOrder } from "../support/turn-order.ts";
import type { ProcessClock } from "./process-clock.ts";

export interface InterleavedCell {
  readonly id: string;
  /** @param count the number of different requests, if they cannot be repeated */
  texts(count: number): readonly string[] | Promise<readonly string[]>;
}

/** The time of each request, microseconds, by cell. */
export type RequestTimes = ReadonlyMap<string, readonly number[]>;

interface Connection {
  /** @throws Error without a response */
  send(text: string): Promise<ReadResponse>;
  close(): void;
}

const openConnection = (port: number): Connection => {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  const reader = new ResponseReader();
  let answer = Promise.withResolvers<ReadResponse>();
  socket.on("data", (chunk) => {
    const response = reader.push(chunk);
    if (response !== undefined) answer.resolve(response);
  });
  socket.on("close", () => answer.reject(new Error("the connection was closed")));
  socket.on("error", (error) => answer.reject(error));
  return {
    send: (text) => {
      answer = Promise.withResolvers();
      socket.write(text);
      return answer.promise;
    },
    close: () => void socket.destroy(),
  };
};

export interface Turn {
  readonly port: number;
  readonly clock: ProcessClock;
  readonly cells: readonly InterleavedCell[];
  /** Requests of each cell. */
  readonly count: number;
}

/** One request of each cell in turn, in an order that changes each time. @throws Error if a request fails */
export const measureTurn = async (
  { port, clock, cells, count }: Turn,
  { signal }: Pick<BenchOptions, "signal">,
): Promise<RequestTimes> => {
  const measured: { id: string; texts: readonly string[]; timesUs: number[] }[] = [];
  for (const { id, texts } of cells) measured.push({ id, texts: await texts(count), timesUs: [] });
  const connection = openConnection(port);
  // An event loop with an immediate to run never sleeps: otherwise the server pays for waking this process.
  let isAwake = true;
  const stayAwake = (): void => void (isAwake && setImmediate(stayAwake));
  stayAwake();
  try {
    let beforeUs = await clock.atRest();
    for (let n = 0; n < count; n += 1) {
      signal.throwIfAborted();
      for (const { id, texts, timesUs } of turnOrder(measured, n)) {
        const { status, body } = await connection.send(texts[n % texts.length] ?? "");
        if (!isGood(status)) throw new Error(`${id}: responded ${status} ${body}`);
        const afterUs = await clock.atRest();
        timesUs.push(afterUs - beforeUs);
        beforeUs = afterUs;
      }
    }
  } finally {
    isAwake = false;
    connection.close();
  }
  return new Map(measured.map(({ id, timesUs }) => [id, timesUs]));
};
