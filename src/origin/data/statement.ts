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
import { isStaleState } from "./failure.ts";
import type { Gather } from "./gather.ts";

export interface StatementOptions {
  /** A command that goes ahead of it; where that fails, the statement does not run. */
  readonly before?: string | undefined;
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

/** Names by connection. One that has not been confirmed yet may turn out not to be there. */
type Prepared = WeakMap<WireConnection, Map<string, "unconfirmed" | "there">>;

/** How a text is sent this time: an empty name is parsed each time. */
interface Use {
  readonly name: string;
  readonly isParsed: boolean;
}

const UNNAMED: Use = { name: "", isParsed: true };

const useOf = (connection: WireConnection, name: string, prepared: Prepared): Use => {
  if (name === "") return UNNAMED;
  const names = prepared.get(connection) ?? new Map<string, "unconfirmed" | "there">();
  prepared.set(connection, names);
  const state = names.get(name);
  if (state === "there") return { name, isParsed: false };
  // What is written behind the first use must not depend on how that ends.
  if (state === "unconfirmed") return UNNAMED;
  names.set(name, "unconfirmed");
  // Closing what is not there is no error; parsing what is there would be one.
  connection.close({ type: "S", name }, false);
  return { name, isParsed: true };
};

/** Remembers what an answer has shown: a name is there, or has to be parsed anew. */
const settle = (
  connection: WireConnection,
  uses: readonly Use[],
  error: unknown,
  prepared: Prepared,
): void => {
  const names = prepared.get(connection);
  for (const { name, isParsed } of uses) {
    if (name === "") continue;
    if (error === undefined) names?.set(name, "there");
    else if (isParsed || isStaleState(error)) names?.delete(name);
  }
};

const sendAhead = (
  connection: WireConnection,
  { name, isParsed }: Use,
  text: string,
  values: string[],
): void => {
  if (isParsed) connection.parse({ name, text, types: [] }, false);
  connection.bind({ portal: "", statement: name, values }, false);
  connection.execute({ portal: "" }, false);
};

interface Result {
  readonly rows: readonly unknown[];
  readonly command: string;
}

const isResult = (value: unknown): value is Result =>
  typeof value === "object" && value !== null && "rows" in value && "command" in value;

const NOTHING: Result = { rows: [], command: "" };

/** The last result is the statement's; those before it are of what went ahead. */
const lastOf = (results: unknown): Result => {
  const result: unknown = Array.isArray(results) ? results.at(-1) : results;
  return isResult(result) ? result : NOTHING;
};

/** node-postgres' own notes: the texts of the names that it takes for parsed, or for sent to be parsed. */
interface Notes {
  readonly parsedStatements: Record<string, string>;
  readonly submittedNamedStatements: Record<string, string>;
}

const hasNotes = (connection: object): connection is Notes =>
  "parsedStatements" in connection && "submittedNamedStatements" in connection;

/**
 * Has node-postgres parse the text or not: its notes take any statement's confirmation for that of the one under
 * way, and are not put right by failures.
 */
const decide = (query: WireStatement, connection: object, { name, isParsed }: Use, text: string): void => {
  Object.assign(query, { name });
  if (!hasNotes(connection)) throw new TypeError("the driver's connections are not what they were");
  if (name === "") return;
  const { parsedStatements, submittedNamedStatements } = connection;
  if (name in submittedNamedStatements) delete submittedNamedStatements[name];
  if (isParsed) delete parsedStatements[name];
  else if (parsedStatements[name] !== text) parsedStatements[name] = text;
};

/** Makes statements for the connections of one pool. */
export type CreateStatement = (options: StatementOptions, callback: Callback) => WireStatement;

export const statementFactory = (gather: Gather): CreateStatement => {
  const names = createStatementNames();
  const prepared: Prepared = new WeakMap();

  return (options, callback) => {
    const { before, text, values, timeoutMs, genericPlan } = options;
    const nameFor = (of: string): string => (options.prepared ? names(of) : "");
    const setting = genericPlan === true ? SET_TIMEOUT_AND_PLAN : SET_TIMEOUT;
    let uses: readonly Use[] = [];
    let sentOn: WireConnection | undefined;
    const done = (error: unknown, results: unknown): void => {
      if (sentOn !== undefined) settle(sentOn, uses, error ?? undefined, prepared);
      const { rows, command } = error ? NOTHING : lastOf(results);
      callback(error ?? undefined, rows, command);
    };
    const config = { text, values: [...values], name: nameFor(text), queryMode: "extended" };
    const query: WireStatement = new pg.Query(config, done);
    const { submit } = query;
    query.submit = (connection) => {
      gather(connection);
      sentOn = connection;
      if (before !== undefined) sendAhead(connection, UNNAMED, before, []);
      const use = useOf(connection, nameFor(text), prepared);
      uses = [use];
      if (timeoutMs !== undefined) {
        const ahead = useOf(connection, nameFor(setting), prepared);
        uses = [ahead, use];
        sendAhead(connection, ahead, setting, [String(timeoutMs)]);
      }
      decide(query, connection, use, text);
      return submit.call(query, connection);
    };
    return query;
  };
};

/** Several statements in one text, by the simple protocol, without values or time limit. */
export const createScript = (text: string, callback: (error: unknown) => void): WireStatement =>
  new pg.Query(text, (error) => callback(error));
