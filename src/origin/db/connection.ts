/** One connection of the pool. It sends statements, and knows whether it can be used again. */
import pg from "pg";
import { isServersAnswer } from "./errors.ts";

/** A pooled client of either driver. */
export interface DriverClient {
  readonly connection: { readonly stream: { destroy(): unknown } };
  query(statement: pg.Query): unknown;
  release(destroy: boolean): void;
  on(event: "error" | "end", listener: (error?: unknown) => void): unknown;
}

export interface ConnectionOptions {
  /** Whether it sends a statement while another one is running. */
  readonly pipelines: boolean;
  readonly cancel: () => Promise<void>;
  /** Called once if the connection fails, even while it is idle. */
  readonly onLoss: (error: unknown) => void;
}

export interface StatementResult {
  readonly rows: readonly unknown[];
  /** The command's tag, such as COMMIT. */
  readonly command: string;
}

const CLOSED = "the connection was closed";
const NO_RESULT: StatementResult = { rows: [], command: "" };

const isResult = (value: unknown): value is StatementResult =>
  typeof value === "object" && value !== null && "rows" in value && "command" in value;

/** The statement's own result comes last, after those of the commands sent ahead of it. */
const lastResult = (results: unknown): StatementResult => {
  const last: unknown = Array.isArray(results) ? results.at(-1) : results;
  return isResult(last) ? last : NO_RESULT;
};

export class Connection {
  /** Prepared statements, by name. One is unconfirmed until its first use has succeeded. */
  readonly prepared = new Map<string, "unconfirmed" | "ready">();
  /** `performance.now()` */
  readonly createdAtMs = performance.now();
  /** Set while a transaction may be open; such a connection is not reused. */
  isInTransaction = false;
  readonly #client: DriverClient;
  readonly #options: ConnectionOptions;
  /** Rejects each running statement. */
  readonly #running = new Set<(error: unknown) => void>();
  #isReusable = true;
  #isDestroyed = false;
  #isCorked = false;

  constructor(client: DriverClient, options: ConnectionOptions) {
    this.#client = client;
    this.#options = options;
    let hasFailed = false;
    // Without a listener, the loss of a connection would end the process.
    client.on("error", (error) => {
      if (!hasFailed) options.onLoss(error);
      hasFailed = true;
      this.discard();
    });
    client.on("end", () => this.discard());
  }

  /**
   * @param write writes the statement's messages, up to its Sync
   * @throws the driver's error
   */
  send(write: (wire: pg.Connection) => void): Promise<StatementResult> {
    if (this.#isDestroyed) return Promise.reject(new Error(CLOSED));
    const { promise, resolve, reject } = Promise.withResolvers<StatementResult>();
    this.#running.add(reject);
    // Only the collection of results is the driver's. `client.query(config)` would write a Sync after each statement,
    // and thus end the implicit transaction in which a statement's timeout is set.
    const query = new pg.Query({ text: "" }, (error, results) => {
      this.#running.delete(reject);
      if (error && !isServersAnswer(error)) this.discard();
      if (error) reject(error);
      else resolve(lastResult(results));
    });
    query.submit = (wire) => {
      this.#cork(wire);
      write(wire);
    };
    this.#client.query(query);
    return promise;
  }

  /** The connection is closed on release instead of being reused. */
  discard(): void {
    this.#isReusable = false;
  }

  /** Cancels the running statement. The request may arrive late, so the connection must not be reused. */
  async cancel(): Promise<void> {
    this.discard();
    await this.#options.cancel();
  }

  /** Closes the connection; every statement on it fails. */
  destroy(): void {
    this.discard();
    this.#isDestroyed = true;
    this.#client.connection.stream.destroy();
    // Over a WebSocket the driver itself would wait for the other end.
    for (const reject of this.#running) reject(new Error(CLOSED));
  }

  /** Returns it to the pool. Nothing may be sent on it afterwards. */
  release(): void {
    this.#client.release(!this.#isReusable || this.isInTransaction);
  }

  /** Makes one write of all that is sent within a turn of the event loop: system calls dominate the cost. */
  #cork({ stream }: pg.Connection): void {
    // Neon's stream does this itself.
    if (this.#isCorked || !this.#options.pipelines) return;
    this.#isCorked = true;
    stream.cork();
    setImmediate(() => {
      this.#isCorked = false;
      stream.uncork();
    });
  }
}
