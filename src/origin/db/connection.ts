/**
 * One connection of the pool. It sends a statement and the `set_config` of its timeout between two Syncs. That makes them
 * one implicit transaction, to which the setting is local (PostgreSQL, "Extended Query", "Pipelining"): the timeout costs no
 * round trip and leaves nothing behind in the session, so it works through transaction poolers.
 */
import { createHash } from "node:crypto";
import pg from "pg";
import type { EndReason, SqlStatement, SqlValue } from "./database.ts";
import { isServersAnswer, isStalePlan, READ_ONLY, sqlState } from "./errors.ts";

/** A pooled client of either driver. */
export interface DriverClient {
  query(statement: pg.Query): unknown;
  release(destroy: boolean): void;
  on(event: "error" | "end", listener: (error?: unknown) => void): unknown;
}

export interface StatementToSend extends SqlStatement {
  /** Runs next, in the same transaction. */
  readonly after?: SqlStatement | undefined;
  /** A command to run first; if it fails, the statement does not run. */
  readonly before?: string | undefined;
  /** The server cancels the statement after this time, milliseconds; 0 is never. @default as the one before in its transaction */
  readonly timeoutMs: number | undefined;
  /** Whether the connection keeps it prepared. */
  readonly prepared: boolean;
}

export interface StatementResult {
  readonly rows: readonly unknown[];
  /** Of the statement that was sent before it, between the same two Syncs. */
  readonly rowsBefore: readonly unknown[];
  /** The command's tag, such as COMMIT. */
  readonly command: string;
}

const CLOSED = "the connection was closed";

/**
 * The server ends the statement of a closed connection within the check interval. The other settings determine how values
 * are read and written; those of a role or a database may differ.
 */
const SETTINGS = Object.entries({
  client_connection_check_interval: "100ms",
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  TimeZone: "UTC",
  extra_float_digits: "1",
  standard_conforming_strings: "on",
});

/** Returns no row, and neither does `SET_TIMEOUT_AND_PLAN`. */
const SET_TIMEOUT = `SELECT WHERE set_config('statement_timeout', $1, true) IS NULL
  ${SETTINGS.map(([name, value]) => `OR set_config('${name}', '${value}', true) IS NULL`).join(" ")}`;
const SET_LOCAL = SETTINGS.map(([name, value]) => `SET LOCAL ${name} = '${value}';`).join(" ");
const SET_TIMEOUT_AND_PLAN = `${SET_TIMEOUT} OR set_config('plan_cache_mode', 'force_generic_plan', true) IS NULL`;

/** Between a request's end and the closing of its connection, milliseconds. At the deadline the server cancels by itself. */
export const GRACE_MS: Readonly<Record<EndReason, number>> = { deadline: 1_000, abandoned: 20 };

/** A program's texts are constants; generated ones must not fill memory. */
const MAX_PREPARED = 1_000;

/** Names are digests of texts: poolers share sessions between clients, so a name must never stand for two texts. */
const nameOf = (text: string): string =>
  `bw_${createHash("sha256").update(text).digest("base64url").slice(0, 22)}`;

const arrayText = (values: readonly (string | number | null)[]): string =>
  `{${values.map((value) => (value === null ? "NULL" : `"${String(value).replace(/["\\]/g, "\\$&")}"`)).join(",")}}`;

const valueText = (value: SqlValue): string | null => {
  if (value === null) return null;
  return typeof value === "object" ? arrayText(value) : String(value);
};

/** One use of a text. Without a name it is parsed each time. */
interface Use {
  readonly name: string;
  readonly text: string;
  readonly isParsed: boolean;
}

const unnamed = (text: string): Use => ({ name: "", text, isParsed: true });

const writeBind = (wire: pg.Connection, { name, text, isParsed }: Use, values: (string | null)[]): void => {
  // Closing an unknown name is no error, but parsing a known one is.
  if (isParsed && name !== "") wire.close({ type: "S", name }, true);
  if (isParsed) wire.parse({ name, text, types: [] }, true);
  wire.bind({ portal: "", statement: name, values }, true);
};

export class Connection {
  /** `performance.now()` */
  readonly createdAtMs = performance.now();
  /** Set while a transaction may be open; such a connection is not reused. */
  isInTransaction = false;
  /** Whether the server has rejected a write as read-only. */
  isReadOnly = false;
  readonly #client: DriverClient;
  readonly #pipelines: boolean;
  /** Prepared statements, by text. One is unconfirmed until its first use has succeeded. */
  readonly #prepared = new Map<string, "unconfirmed" | { readonly name: string }>();
  /** Rejects each running statement. */
  readonly #running = new Set<(error: unknown) => void>();
  #isReusable = true;
  #isDestroyed = false;
  #isCorked = false;
  #wire: pg.Connection | undefined;

  /**
   * @param pipelines whether it sends a statement while another one is running
   * @param onLoss called once if the connection fails, even while it is idle
   */
  constructor(client: DriverClient, pipelines: boolean, onLoss: (error: unknown) => void) {
    this.#client = client;
    this.#pipelines = pipelines;
    let hasFailed = false;
    // Without a listener, the loss of a connection would end the process.
    client.on("error", (error) => {
      if (!hasFailed) onLoss(error);
      hasFailed = true;
      this.discard();
    });
    client.on("end", () => this.discard());
  }

  /** @throws the driver's error */
  send({ before, after, timeoutMs, prepared, ...statement }: StatementToSend): Promise<StatementResult> {
    const uses: Use[] = [];
    const sent = this.#send((wire) => {
      const use = (of: string): Use => {
        const next = prepared ? this.#use(of) : unnamed(of);
        uses.push(next);
        return next;
      };
      const runAhead = (ahead: Use, aheadValues: string[]): void => {
        writeBind(wire, ahead, aheadValues);
        wire.execute({ portal: "" }, true);
      };
      const run = ({ text, values }: SqlStatement): void => {
        writeBind(wire, use(text), values.map(valueText));
        wire.describe({ type: "P", name: "" }, true);
        wire.execute({ portal: "" }, true);
      };
      if (before !== undefined) runAhead(unnamed(before), []);
      if (timeoutMs !== undefined)
        runAhead(use(statement.plan === "generic" ? SET_TIMEOUT_AND_PLAN : SET_TIMEOUT), [String(timeoutMs)]);
      run(statement);
      if (after !== undefined) run(after);
      wire.sync();
    });
    sent.then(
      () => this.#settleUses(uses, undefined),
      (error: unknown) => this.#settleUses(uses, error),
    );
    return sent;
  }

  /** @throws the driver's error */
  sendCommand(text: string): Promise<StatementResult> {
    return this.#send((wire) => wire.query(text));
  }

  /** Sends several statements in one text. @param timeoutMs of each; 0 is never @throws the driver's error */
  sendScript(text: string, timeoutMs: number): Promise<StatementResult> {
    return this.sendCommand(`SET LOCAL statement_timeout = ${timeoutMs}; ${SET_LOCAL} ${text}`);
  }

  /** Closes the connection on release. */
  discard(): void {
    this.#isReusable = false;
  }

  /** Closes the connection; every statement on it fails, and the server ends the running one. */
  destroy(): void {
    this.discard();
    this.#isDestroyed = true;
    this.#wire?.stream.destroy();
    // Over a WebSocket the driver itself would wait for the other end.
    for (const reject of this.#running) reject(new Error(CLOSED));
  }

  /** Returns it to the pool. Nothing may be sent on it afterwards. */
  release(): void {
    this.#client.release(!this.#isReusable || this.isInTransaction);
  }

  /** The drivers' own bookkeeping does not cover statements sent ahead of another one, failures, or poolers. */
  #use(text: string): Use {
    const known = this.#prepared.get(text);
    // Statements sent behind the first use must not depend on its success.
    if (known === "unconfirmed") return unnamed(text);
    if (known !== undefined) return { name: known.name, text, isParsed: false };
    if (this.#prepared.size >= MAX_PREPARED) return unnamed(text);
    this.#prepared.set(text, "unconfirmed");
    return { name: nameOf(text), text, isParsed: true };
  }

  #settleUses(uses: readonly Use[], error: unknown): void {
    for (const { name, text, isParsed } of uses) {
      if (name === "") continue;
      if (error === undefined) this.#prepared.set(text, { name });
      else if (isParsed || isStalePlan(error)) this.#prepared.delete(text);
    }
  }

  /** @param write writes the messages, up to the Sync */
  #send(write: (wire: pg.Connection) => void): Promise<StatementResult> {
    if (this.#isDestroyed) return Promise.reject(new Error(CLOSED));
    const { promise, resolve, reject } = Promise.withResolvers<StatementResult>();
    this.#running.add(reject);
    // `client.query(config)` would write a Sync after each statement, and thus end the implicit transaction in which its
    // timeout is set.
    const query = new pg.Query({ text: "" }, (error, results) => {
      this.#running.delete(reject);
      if (error && !isServersAnswer(error)) this.discard();
      if (error && sqlState(error) === READ_ONLY) this.isReadOnly = true;
      if (error) return reject(error);
      // The statement's own result comes last, after those of the commands sent ahead of it: several are a list.
      const [{ rows, command } = { rows: [], command: "" }, before] = [results].flat().reverse();
      resolve({ rows, command, rowsBefore: before?.rows ?? [] });
    });
    query.submit = (wire) => {
      this.#wire = wire;
      this.#cork(wire);
      write(wire);
    };
    this.#client.query(query);
    return promise;
  }

  /** Makes one write of all that is sent within a turn of the event loop: system calls dominate the cost. */
  #cork({ stream }: pg.Connection): void {
    // Neon's stream does this itself.
    if (this.#isCorked || !this.#pipelines) return;
    this.#isCorked = true;
    stream.cork();
    setImmediate(() => {
      this.#isCorked = false;
      stream.uncork();
    });
  }
}
