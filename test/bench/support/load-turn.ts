/** One server's turn under load: a number of connections, each with one request on its way at any time. */
import { connect, type Socket } from "node:net";
import { type RequestBatch, requestsOf } from "./request-batch.ts";
import { type ReadResponse, ResponseReader } from "./response-reader.ts";
import { percentile } from "./statistics.ts";

export interface Turn {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly requests: RequestBatch;
  readonly connections: number;
  /** Under load, but not measured yet. */
  readonly settleMs: number;
  /** Shorter where a batch that cannot be repeated has been sent before. */
  readonly measureMs: number;
}

export interface TurnResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers other than 2xx, and connections lost under a request; of the whole turn. */
  readonly failures: number;
  readonly firstFailure: string | undefined;
}

/** The last requests' answers are waited for so long. */
export const LAST_ANSWERS_MS = 10_000;

class LoadTurn {
  readonly #turn: Turn;
  readonly #next: () => Uint8Array | undefined;
  readonly #measuredFromMs: number;
  readonly #latenciesMs: number[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #done = Promise.withResolvers<void>();
  #untilMs: number;
  #failures = 0;
  #firstFailure: string | undefined;

  constructor(turn: Turn) {
    this.#turn = turn;
    this.#next = requestsOf(turn.requests);
    this.#measuredFromMs = performance.now() + turn.settleMs;
    this.#untilMs = this.#measuredFromMs + turn.measureMs;
  }

  async run(): Promise<TurnResult> {
    const { connections, settleMs, measureMs } = this.#turn;
    for (let n = 0; n < connections; n += 1) this.#connect();
    const timer = setTimeout(() => this.#giveUp(), settleMs + measureMs + LAST_ANSWERS_MS);
    await this.#done.promise;
    clearTimeout(timer);
    return this.#result();
  }

  #connect(): void {
    const socket = connect({ host: "127.0.0.1", port: this.#turn.port, noDelay: true });
    this.#sockets.add(socket);
    const reader = new ResponseReader();
    let sentMs = 0;
    let reason = "";

    const leave = (): void => {
      if (!this.#sockets.delete(socket)) return;
      socket.destroy();
      if (this.#sockets.size === 0) this.#done.resolve();
    };
    const fail = (what: string): void => {
      this.#fail(what);
      leave();
    };
    const send = (): void => {
      sentMs = performance.now();
      const request = sentMs < this.#untilMs ? this.#next() : undefined;
      if (request === undefined) {
        // The first that finds no request ends the measurement: from here on fewer and fewer are on their way.
        this.#untilMs = Math.min(this.#untilMs, sentMs);
        leave();
      } else socket.write(request);
    };

    socket.on("connect", send);
    socket.on("data", (chunk) => {
      try {
        const response = reader.push(chunk);
        if (response === undefined) return;
        this.#count(response, sentMs);
        if (!response.isLast) return send();
        if (performance.now() < this.#untilMs) this.#connect();
        leave();
      } catch (error) {
        fail(String(error));
      }
    });
    socket.on("error", ({ message }) => {
      reason = message;
    });
    socket.on("close", () => {
      if (this.#sockets.has(socket)) fail(reason || "the connection was closed under a request");
    });
  }

  #count({ status, body }: ReadResponse, sentMs: number): void {
    const nowMs = performance.now();
    if (nowMs >= this.#measuredFromMs && nowMs < this.#untilMs) this.#latenciesMs.push(nowMs - sentMs);
    if (status < 200 || status > 299) this.#fail(`${status} ${body.toString("utf8", 0, 300)}`);
  }

  #fail(what: string): void {
    this.#failures += 1;
    this.#firstFailure ??= what;
  }

  #giveUp(): void {
    this.#fail(`${this.#sockets.size} requests without an answer after ${LAST_ANSWERS_MS} ms`);
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    this.#done.resolve();
  }

  #result(): TurnResult {
    const requests = this.#latenciesMs.length;
    const seconds = (this.#untilMs - this.#measuredFromMs) / 1000;
    if (requests === 0) this.#fail("no request was answered in the time that is measured");
    return {
      requests,
      requestsPerSecond: requests === 0 ? 0 : requests / seconds,
      p50Ms: requests === 0 ? 0 : percentile(this.#latenciesMs, 50),
      p99Ms: requests === 0 ? 0 : percentile(this.#latenciesMs, 99),
      failures: this.#failures,
      firstFailure: this.#firstFailure,
    };
  }
}

/** Never rejects: what goes wrong is counted. */
export const runTurn = (turn: Turn): Promise<TurnResult> => new LoadTurn(turn).run();
