/**
 * An open load that keeps what became of every request, so that a fault in the middle of it can be looked at over time.
 * Requests are sent when they are due, by a Poisson process; latency counts from then.
 */
import { connect, type Socket } from "node:net";
import { type RequestBatch, requestsOf } from "./request-batch.ts";
import { ResponseReader } from "./response-reader.ts";

export interface TraceTurn {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly requests: RequestBatch;
  readonly perSecond: number;
  /** Opened before the first request; more are opened where they are all in use. */
  readonly connections: number;
  readonly lastsMs: number;
}

/** One entry a request, in the order in which they were due. */
export interface Trace {
  /** Epoch milliseconds. */
  readonly dueAtMs: Float64Array<ArrayBuffer>;
  /** Until its end, whatever that was. */
  readonly latencyMs: Float64Array<ArrayBuffer>;
  /** 0 where no whole answer came. */
  readonly status: Uint16Array<ArrayBuffer>;
  /** How much later than due it was sent. */
  readonly lagMs: Float64Array<ArrayBuffer>;
}

/** The last requests' answers are waited for so long. */
export const LAST_ANSWERS_MS = 5_000;
const TICK_MS = 1;
const LOST = 0;

const epochNow = (): number => performance.timeOrigin + performance.now();

interface Connection {
  readonly socket: Socket;
  /** The request that is on its way; undefined where none is. */
  request: number | undefined;
}

class TraceTurnRun {
  readonly #turn: TraceTurn;
  readonly #next: () => Uint8Array | undefined;
  readonly #open = new Set<Connection>();
  #idle: Connection[] = [];
  readonly #dueAtMs: number[] = [];
  readonly #lagMs: number[] = [];
  readonly #latencyMs: number[] = [];
  readonly #status: number[] = [];
  readonly #done = Promise.withResolvers<void>();
  #underWay = 0;
  #untilMs = 0;
  #isSending = true;

  constructor(turn: TraceTurn) {
    this.#turn = turn;
    this.#next = requestsOf(turn.requests);
  }

  async run(): Promise<Trace> {
    const { connections, lastsMs } = this.#turn;
    await Promise.all(Array.from({ length: connections }, () => this.#connect()));
    const beganMs = epochNow();
    this.#untilMs = beganMs + lastsMs;
    this.#sendFrom(beganMs);
    const timer = setTimeout(() => this.#done.resolve(), lastsMs + LAST_ANSWERS_MS);
    await this.#done.promise;
    clearTimeout(timer);
    for (const connection of this.#open) this.#close(connection);
    return {
      dueAtMs: Float64Array.from(this.#dueAtMs),
      latencyMs: Float64Array.from(this.#latencyMs),
      status: Uint16Array.from(this.#status),
      lagMs: Float64Array.from(this.#lagMs),
    };
  }

  async #connect(): Promise<void> {
    const socket = connect({ host: "127.0.0.1", port: this.#turn.port, noDelay: true });
    const connection: Connection = { socket, request: undefined };
    this.#open.add(connection);
    const reader = new ResponseReader();
    socket.on("data", (chunk) => {
      try {
        const response = reader.push(chunk);
        if (response === undefined) return;
        this.#ended(connection, response.status);
        if (response.isLast) this.#close(connection);
        else this.#idle.push(connection);
      } catch {
        this.#close(connection);
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", () => this.#close(connection));
    await new Promise<void>((resolve) => {
      socket.once("connect", () => resolve());
      socket.once("close", () => resolve());
    });
    this.#idle.push(connection);
  }

  /** Sends all that is due, and looks again a moment later. */
  #sendFrom(dueAtMs: number): void {
    let nextMs = dueAtMs;
    const nowMs = epochNow();
    while (nextMs <= nowMs && nextMs < this.#untilMs) {
      const request = this.#next();
      if (request === undefined) {
        nextMs = this.#untilMs;
        break;
      }
      void this.#send(request, nextMs);
      nextMs += (-Math.log(1 - Math.random()) * 1000) / this.#turn.perSecond;
    }
    if (nextMs < this.#untilMs) setTimeout(() => this.#sendFrom(nextMs), TICK_MS);
    else {
      this.#isSending = false;
      this.#endIfDone();
    }
  }

  async #send(bytes: Uint8Array, dueAtMs: number): Promise<void> {
    const request = this.#dueAtMs.length;
    this.#dueAtMs.push(dueAtMs);
    this.#status.push(LOST);
    this.#latencyMs.push(this.#turn.lastsMs + LAST_ANSWERS_MS);
    this.#lagMs.push(0);
    this.#underWay += 1;
    while (this.#idle.length === 0) await this.#connect();
    const connection = this.#idle.pop();
    if (connection === undefined) return;
    connection.request = request;
    this.#lagMs[request] = epochNow() - dueAtMs;
    // Of a connection that could not be made the end is told here.
    if (connection.socket.destroyed) this.#ended(connection, LOST);
    else connection.socket.write(bytes);
  }

  #ended(connection: Connection, status: number): void {
    const { request } = connection;
    if (request === undefined) return;
    connection.request = undefined;
    this.#status[request] = status;
    this.#latencyMs[request] = epochNow() - (this.#dueAtMs[request] ?? 0);
    this.#underWay -= 1;
    this.#endIfDone();
  }

  #close(connection: Connection): void {
    if (!this.#open.delete(connection)) return;
    connection.socket.destroy();
    this.#idle = this.#idle.filter((each) => each !== connection);
    this.#ended(connection, LOST);
  }

  #endIfDone(): void {
    if (!this.#isSending && this.#underWay === 0) this.#done.resolve();
  }
}

/** Never rejects: what goes wrong is in the trace. */
export const runTraceTurn = (turn: TraceTurn): Promise<Trace> => new TraceTurnRun(turn).run();
