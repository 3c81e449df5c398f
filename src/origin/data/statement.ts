/**
 * One statement on the wire. Its time comes with it: `set_config` and the statement go out together, between
 * two Syncs, and so are one implicit transaction, in which the setting is local (PostgreSQL, "Extended Query",
 * "Pipelining"). It costs no round trip and leaves nothing behind in the session, so that it works through a
 * transaction pooler too.
 */
import { createHash } from "node:crypto";
import pg from "pg";
import type { SqlValue } from "./database.ts";
import type { WireConnection, WireStatement } from "./driver.ts";
import type { Gather } from "./gather.ts";

export interface StatementOptions {
  readonly text: string;
  readonly values: readonly SqlValue[];
  /** The server cancels it after so long, milliseconds. @default never */
  readonly timeoutMs?: number | undefined;
  /** Whether the connection keeps it prepared. */
  readonly prepared: boolean;
  /** Planned once for any values. @default false */
  readonly genericPlan?: boolean | undefined;
}

type Callback = (error: unknown, rows: readonly unknown[], command: string) => void;

/** Both are without a row in their result. */
const SET_TIMEOUT = "SELECT WHERE set_config('statement_timeout', $1, true) IS NULL";
const SET_TIMEOUT_AND_PLAN = `${SET_TIMEOUT} OR set_config('plan_cache_mode', 'force_generic_plan', true) IS NULL`;

/** A name is the text's own digest: behind a pooler, where sessions are shared, one name is never two texts. */
const nameOf = (text: string): string =>
  `bw_${createHash("sha256").update(text).digest("base64url").slice(0, 22)}`;

/** Texts whose names are remembered. Texts are constants of the program; made-up ones must not fill memory. */
const MAX_NAMES = 1000;

/** Names for texts; a text beyond the bound has none and is parsed each time. */
export const createStatementNames = (): ((text: string) => string) => {
  const names = new Map<string, string>();
  return (text) => {
    const known = names.get(text);
    if (known !== undefined) return known;
    if (names.size >= MAX_NAMES) return "";
    const name = nameOf(text);
    names.set(text, name);
    return name;
  };
};

interface Setting {
  readonly text: string;
  readonly name: string;
  /** Connections that have it prepared. */
  readonly preparedOn: WeakSet<WireConnection>;
}

const setting = (text: string): Setting => ({ text, name: nameOf(text), preparedOn: new WeakSet() });

const sendSetting = (
  connection: WireConnection,
  { text, name, preparedOn }: Setting,
  timeoutMs: number,
  prepared: boolean,
): void => {
  const statement = prepared ? name : "";
  if (!prepared || !preparedOn.has(connection)) {
    // Closing what is not there is no error; parsing what is there would be one.
    if (prepared) connection.close({ type: "S", name }, false);
    connection.parse({ name: statement, text, types: [] }, false);
    if (prepared) preparedOn.add(connection);
  }
  connection.bind({ portal: "", statement, values: [String(timeoutMs)] }, false);
  connection.execute({ portal: "" }, false);
};

interface Result {
  readonly rows: readonly unknown[];
  readonly command: string;
}

const isResult = (value: unknown): value is Result =>
  typeof value === "object" && value !== null && "rows" in value && "command" in value;

/** The last result is the statement's; one before it is the timeout's. */
const lastOf = (results: unknown): Result => {
  const result: unknown = Array.isArray(results) ? results.at(-1) : results;
  return isResult(result) ? result : { rows: [], command: "" };
};

/** Makes statements for the connections of one pool. */
export type CreateStatement = (options: StatementOptions, callback: Callback) => WireStatement;

export const statementFactory = (gather: Gather): CreateStatement => {
  const names = createStatementNames();
  const timeout = setting(SET_TIMEOUT);
  const timeoutAndPlan = setting(SET_TIMEOUT_AND_PLAN);

  return ({ text, values, timeoutMs, prepared, genericPlan }, callback) => {
    const name = prepared ? names(text) : "";
    const config = { text, values: [...values], queryMode: "extended", ...(name === "" ? {} : { name }) };
    const query: WireStatement = new pg.Query(config, (error, results) => {
      if (error) return callback(error, [], "");
      const { rows, command } = lastOf(results);
      callback(undefined, rows, command);
    });
    const { submit } = query;
    query.submit = (connection) => {
      gather(connection);
      if (timeoutMs !== undefined) {
        sendSetting(connection, genericPlan === true ? timeoutAndPlan : timeout, timeoutMs, prepared);
      }
      return submit.call(query, connection);
    };
    return query;
  };
};

/** Several statements in one text, by the simple protocol, without values or time limit. */
export const createScript = (text: string, callback: (error: unknown) => void): WireStatement =>
  new pg.Query(text, (error) => callback(error));
