/**
 * One server's turn under an open load: requests are sent when they are due, by a Poisson process, whether or not
 * those before them were answered. Latency counts from when a request was due.
 */
import { connect, type Socket } from "node:net";
import { type RequestBatch, requestsOf } from "./request-batch.ts";
import { type ReadResponse, ResponseReader } from "./response-reader.ts";
import { percentile } from "./statistics.ts";

export interface OpenTurn {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly requests: RequestBatch;
  readonly perSecond: number;
  /** Opened before the first request, and kept; more are opened where they are all in use. */
  readonly connections: number;
  /** Under load, but not measured yet. */
  readonly settleMs: number;
  readonly measureMs: number;
  /** An answer that comes later is of no use. */
  readonly usefulMs: number;
}

/** Of the requests that were due in the time that is measured. */
export interface OpenTurnResult {
  readonly sent: number;
  /** 200 within the time. */
  readonly usefulPerSecond: number;
  readonly late: number;
  readonly shed: number;
  readonly expired: number;
  /** Every other end: another status, a connection lost, no answer at all. */
  readonly failures: number;
  readonly firstFailure: string | undefined;
  /** Of all 200s, late ones too; undefined where there was none. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** How late requests were sent. */
  readonly lagP99Ms: number;
  /** Of the whole turn. */
  readonly mostConnections: number;
}

/** The last requests' answers are waited for so long. */
export const LAST_OPEN_ANSWERS_MS = 10_000;
const TICK_MS = 1;

interface Connection {
  readonly socket: Socket;
  /** When what is on its way was due; undefined where nothing is. */
  dueMs: number | undefined;
}

class OpenTurnRun {
  readonly #turn: OpenTurn;
  readonly #next: () => Uint8Array | undefined;
  readonly #idle: Connection[] = [];
  readonly #open = new Set<Connection>();
  readonly #latenciesMs: number[] = [];
  readonly #lagsMs: number[] = [];
  readonly #ended = { late: 0, shed: 0, expired: 0, failures: 0 };
  readonly #done = Promise.withResolvers<void>();
  #measuredFromMs = 0;
  #untilMs = 0;
  #underWay = 0;
  #useful = 0;
  #sent = 0;
  #mostConnections = 0;
  #isSending = true;
  #firstFailure: string | undefined;

  constructor(turn: OpenTurn) {
    this.#turn = turn;
    this.#next = requestsOf(turn.requests);
  }

  async run(): Promise<OpenTurnResult> {
    const { connections, settleMs, measureMs } = this.#turn;
    await Promise.all(Array.from({ length: connections }, () => this.#connect()));
    const beganMs = performance.now();
    this.#measuredFromMs = beganMs + settleMs;
    this.#untilMs = this.#measuredFromMs + measureMs;
    this.#sendFrom(beganMs);
    const timer = setTimeout(() => this.#done.resolve(), settleMs + measureMs + LAST_OPEN_ANSWERS_MS);
    await this.#done.promise;
    clearTimeout(timer);
    for (const connection of this.#open) this.#drop(connection, "no answer");
    return this.#result();
  }

  async #connect(): Promise<void> {
    const socket = connect({ host: "127.0.0.1", port: this.#turn.port, noDelay: true });
    const connection: Connection = { socket, dueMs: undefined };
    this.#open.add(connection);
    this.#mostConnections = Math.max(this.#mostConnections, this.#open.size);
    const reader = new ResponseReader();
    socket.on("data", (chunk) => {
      try {
        const response = reader.push(chunk);
        if (response !== undefined) this.#answered(connection, response);
      } catch (error) {
        this.#drop(connection, String(error));
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", () => this.#drop(connection, "the connection was closed under a request"));
    await new Promise<void>((resolve) => {
      socket.once("connect", () => resolve());
      socket.once("close", () => resolve());
    });
    this.#idle.push(connection);
  }

  /** Sends all that is due, and looks again a moment later. */
  #sendFrom(dueMs: number): void {
    let nextMs = dueMs;
    const nowMs = performance.now();
    while (nextMs <= nowMs && nextMs < this.#untilMs) {
      const request = this.#next();
      if (request === undefined) {
        this.#fail("the requests ran out");
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

  async #send(request: Uint8Array, dueMs: number): Promise<void> {
    this.#underWay += 1;
    if (this.#isMeasured(dueMs)) this.#sent += 1;
    while (this.#idle.length === 0) await this.#connect();
    const connection = this.#idle.pop();
    if (connection === undefined) return;
    connection.dueMs = dueMs;
    if (this.#isMeasured(dueMs)) this.#lagsMs.push(performance.now() - dueMs);
    // Of a connection that is closed already the end is told here, too.
    if (connection.socket.destroyed) this.#drop(connection, "the connection was closed before a request");
    else connection.socket.write(request);
  }

  #answered(connection: Connection, response: ReadResponse): void {
    const { dueMs } = connection;
    if (dueMs === undefined) return;
    connection.dueMs = undefined;
    if (this.#isMeasured(dueMs)) this.#count(response, performance.now() - dueMs);
    if (response.isLast) connection.socket.destroy();
    else this.#idle.push(connection);
    this.#underWay -= 1;
    this.#endIfDone();
  }

  #count({ status, body }: ReadResponse, latencyMs: number): void {
    if (status === 503) this.#ended.shed += 1;
    else if (status === 504) this.#ended.expired += 1;
    else if (status !== 200) this.#fail(`${status} ${body.toString("utf8", 0, 300)}`);
    else {
      this.#latenciesMs.push(latencyMs);
      if (latencyMs <= this.#turn.usefulMs) this.#useful += 1;
      else this.#ended.late += 1;
    }
  }

  #drop(connection: Connection, why: string): void {
    if (!this.#open.delete(connection)) return;
    connection.socket.destroy();
    if (connection.dueMs === undefined) return;
    if (this.#isMeasured(connection.dueMs)) this.#fail(why);
    connection.dueMs = undefined;
    this.#underWay -= 1;
    this.#endIfDone();
  }

  #isMeasured(dueMs: number): boolean {
    return dueMs >= this.#measuredFromMs && dueMs < this.#untilMs;
  }

  #fail(what: string): void {
    this.#ended.failures += 1;
    this.#firstFailure ??= what;
  }

  #endIfDone(): void {
    if (!this.#isSending && this.#underWay === 0) this.#done.resolve();
  }

  #result(): OpenTurnResult {
    const latencies = this.#latenciesMs;
    const at = (percent: number) => (latencies.length === 0 ? undefined : percentile(latencies, percent));
    return {
      sent: this.#sent,
      usefulPerSecond: (this.#useful / this.#turn.measureMs) * 1000,
      ...this.#ended,
      firstFailure: this.#firstFailure,
      p50Ms: at(50),
      p99Ms: at(99),
      lagP99Ms: this.#lagsMs.length === 0 ? 0 : percentile(this.#lagsMs, 99),
      mostConnections: this.#mostConnections,
    };
  }
}

/** Never rejects: what goes wrong is counted. */
export const runOpenTurn = (turn: OpenTurn): Promise<OpenTurnResult> => new OpenTurnRun(turn).run();
