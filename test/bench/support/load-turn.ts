/**
 * One server's turn under load, over raw sockets, so that the generator takes little of the machine that it shares with the
 * server. A closed load has one request in flight per connection. An open load sends requests when they are due, by a
 * Poisson process, whether or not earlier ones were answered; its latencies count from then.
 */
import { connect, type Socket } from "node:net";
import { type RequestBatch, requestsOf } from "./request-batch.ts";
import { type ReadResponse, ResponseReader } from "./response-reader.ts";

export interface Turn {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly requests: RequestBatch;
  /** Opened before the first request. An open load opens more when all are in use. */
  readonly connections: number;
  /** Shorter if a batch that cannot be repeated runs out. */
  readonly lastsMs: number;
  /** The rate of an open load. @default a closed load */
  readonly perSecond?: number;
  /**
   * An open load uses no connection that was idle for longer: workerd closes one after 5 s, under a request on its way.
   *
   * @default unlimited
   */
  readonly maxIdleMs?: number;
  /**
   * The thread polls its sockets without ever sleeping. Otherwise a server that is slower than the generator also pays for
   * waking it at each response (up to 20 µs in a virtual machine), which no client on another machine makes it pay. Only for
   * servers that need no other process: it takes a whole core.
   *
   * @default false
   */
  readonly staysAwake?: boolean;
}

/** The outcome of every request, in the order in which they were due. Times are epoch milliseconds. */
export interface Trace {
  readonly beganAtMs: number;
  /** No request was due after it. */
  readonly untilMs: number;
  readonly dueAtMs: Float64Array<ArrayBuffer>;
  /** Until its end, even without a response. */
  readonly latencyMs: Float64Array<ArrayBuffer>;
  /** 0 without a complete response. */
  readonly status: Uint16Array<ArrayBuffer>;
  /** How much later than due it was sent. */
  readonly lagMs: Float64Array<ArrayBuffer>;
  /** By status other than 2xx, the body of the first such response, or the reason that there was none. */
  readonly reasons: ReadonlyMap<number, string>;
}

/** Time for the last responses after the turn. */
export const LAST_RESPONSES_MS = 10_000;
const TICK_MS = 1;
const LOST = 0;
const REASON_BYTES = 300;

const epochNow = (): number => performance.timeOrigin + performance.now();

export const isGood = (status: number): boolean => status >= 200 && status < 300;

interface Connection {
  readonly socket: Socket;
  /** The index of the request in flight. */
  request: number | undefined;
  /** Since the last response, or since it was opened. */
  idleSinceMs: number;
}

class LoadTurn {
  readonly #turn: Turn;
  readonly #next: () => Uint8Array | undefined;
  readonly #open = new Set<Connection>();
  #idle: Connection[] = [];
  readonly #dueAtMs: number[] = [];
  readonly #lagMs: number[] = [];
  readonly #latencyMs: number[] = [];
  readonly #status: number[] = [];
  readonly #reasons = new Map<number, string>();
  readonly #done = Promise.withResolvers<void>();
  #untilMs = 0;
  #underWay = 0;
  #isSending = true;
  #isOver = false;

  constructor(turn: Turn) {
    this.#turn = turn;
    this.#next = requestsOf(turn.requests);
  }

  async run(): Promise<Trace> {
    const { connections, lastsMs, perSecond } = this.#turn;
    this.#idle = await Promise.all(Array.from({ length: connections }, () => this.#connect()));
    const beganAtMs = epochNow();
    this.#untilMs = beganAtMs + lastsMs;
    if (perSecond === undefined) for (const connection of this.#idle.splice(0)) this.#sendNext(connection);
    else this.#sendDue(beganAtMs, perSecond);
    const timer = setTimeout(() => this.#done.resolve(), lastsMs + LAST_RESPONSES_MS);
    if (this.#turn.staysAwake === true) this.#stayAwake();
    await this.#done.promise;
    this.#isOver = true;
    clearTimeout(timer);
    for (const connection of this.#open) this.#close(connection, "no response in time");
    return {
      beganAtMs,
      untilMs: this.#untilMs,
      dueAtMs: Float64Array.from(this.#dueAtMs),
      latencyMs: Float64Array.from(this.#latencyMs),
      status: Uint16Array.from(this.#status),
      lagMs: Float64Array.from(this.#lagMs),
      reasons: this.#reasons,
    };
  }

  /** An event loop with an immediate to run polls its sockets without waiting. */
  #stayAwake(): void {
    if (!this.#isOver) setImmediate(() => this.#stayAwake());
  }

  /** Resolves when it is open, or closed again. */
  async #connect(): Promise<Connection> {
    const socket = connect({ host: "127.0.0.1", port: this.#turn.port, noDelay: true });
    const connection: Connection = { socket, request: undefined, idleSinceMs: epochNow() };
    this.#open.add(connection);
    const reader = new ResponseReader();
    socket.on("data", (chunk) => {
      try {
        const response = reader.push(chunk);
        if (response !== undefined) this.#answered(connection, response);
      } catch (error) {
        this.#close(connection, String(error));
      }
    });
    socket.on("error", ({ message }) => this.#close(connection, message));
    socket.on("close", () => this.#close(connection, "the connection was closed under a request"));
    await new Promise<void>((resolve) => {
      socket.once("connect", () => resolve());
      socket.once("close", () => resolve());
    });
    return connection;
  }

  /** Closed load: the connection's next request. */
  #sendNext(connection: Connection): void {
    const nowMs = epochNow();
    const bytes = nowMs < this.#untilMs ? this.#next() : undefined;
    if (bytes === undefined) {
      // The first connection without a request ends the measurement, because from here on fewer are in flight.
      this.#untilMs = Math.min(this.#untilMs, nowMs);
      this.#close(connection, "");
    } else this.#write(connection, this.#record(nowMs), bytes);
  }

  /** Open load: sends all due requests, and repeats a moment later. */
  #sendDue(dueAtMs: number, perSecond: number): void {
    let nextMs = dueAtMs;
    const nowMs = epochNow();
    while (nextMs <= nowMs && nextMs < this.#untilMs) {
      const bytes = this.#next();
      if (bytes === undefined) {
        this.#untilMs = nextMs;
        break;
      }
      void this.#sendWhenFree(this.#record(nextMs), bytes);
      nextMs += (-Math.log(1 - Math.random()) * 1_000) / perSecond;
    }
    if (nextMs < this.#untilMs) setTimeout(() => this.#sendDue(nextMs, perSecond), TICK_MS);
    else {
      this.#isSending = false;
      this.#endIfDone();
    }
  }

  async #sendWhenFree(request: number, bytes: Uint8Array): Promise<void> {
    this.#write(this.#takeIdle() ?? (await this.#connect()), request, bytes);
  }

  /** The one that was used last. Those below it were idle even longer. */
  #takeIdle(): Connection | undefined {
    const connection = this.#idle.pop();
    const { maxIdleMs = Number.POSITIVE_INFINITY } = this.#turn;
    if (connection === undefined || epochNow() - connection.idleSinceMs <= maxIdleMs) return connection;
    for (const each of [connection, ...this.#idle]) this.#close(each, "");
    return undefined;
  }

  /** A request that is due, lost until its response comes. @returns its index */
  #record(dueAtMs: number): number {
    this.#dueAtMs.push(dueAtMs);
    this.#status.push(LOST);
    this.#latencyMs.push(this.#turn.lastsMs + LAST_RESPONSES_MS);
    this.#lagMs.push(0);
    this.#underWay += 1;
    return this.#dueAtMs.length - 1;
  }

  #write(connection: Connection, request: number, bytes: Uint8Array): void {
    connection.request = request;
    this.#lagMs[request] = epochNow() - (this.#dueAtMs[request] ?? 0);
    if (connection.socket.destroyed) this.#end(connection, LOST, "the connection could not be opened");
    else connection.socket.write(bytes);
  }

  #answered(connection: Connection, { status, body, isLast }: ReadResponse): void {
    // A response without a request is one such as 408.
    const isOver = isLast || connection.request === undefined;
    this.#end(connection, status, isGood(status) ? "" : body.toString("utf8", 0, REASON_BYTES));
    const isClosedLoad = this.#turn.perSecond === undefined;
    if (isOver) {
      if (isClosedLoad && epochNow() < this.#untilMs)
        void this.#connect().then((next) => this.#sendNext(next));
      this.#close(connection, "");
    } else if (isClosedLoad) this.#sendNext(connection);
    else {
      connection.idleSinceMs = epochNow();
      this.#idle.push(connection);
    }
  }

  #end(connection: Connection, status: number, reason: string): void {
    const { request } = connection;
    if (request === undefined) return;
    connection.request = undefined;
    this.#status[request] = status;
    this.#latencyMs[request] = epochNow() - (this.#dueAtMs[request] ?? 0);
    if (!isGood(status) && !this.#reasons.has(status)) this.#reasons.set(status, reason);
    this.#underWay -= 1;
    this.#endIfDone();
  }

  #close(connection: Connection, reason: string): void {
    if (!this.#open.delete(connection)) return;
    connection.socket.destroy();
    this.#idle = this.#idle.filter((each) => each !== connection);
    this.#end(connection, LOST, reason);
    this.#endIfDone();
  }

  #endIfDone(): void {
    const isClosedLoad = this.#turn.perSecond === undefined;
    if (isClosedLoad ? this.#open.size === 0 : !this.#isSending && this.#underWay === 0) this.#done.resolve();
  }
}

/** Never rejects: failures are in the trace. */
export const runTurn = (turn: Turn): Promise<Trace> => new LoadTurn(turn).run();
