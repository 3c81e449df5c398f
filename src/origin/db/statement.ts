/**
 * One statement with its timeout. `set_config` and the statement are sent between two Syncs, and thus are one implicit
 * transaction, to which the setting is local (PostgreSQL, "Extended Query", "Pipelining"). The timeout costs no round
 * trip and leaves nothing behind in the session, so it works through transaction poolers.
 */
import { createHash } from "node:crypto";
import type pg from "pg";
import type { Connection, StatementResult } from "./connection.ts";
import type { SqlValue } from "./database.ts";
import { isStaleState } from "./errors.ts";

export interface StatementOptions {
  /** A command to run first; if it fails, the statement does not run. */
  readonly before?: string | undefined;
  readonly text: string;
  readonly values: readonly SqlValue[];
  /** The server cancels the statement after this time, milliseconds. @default never */
  readonly timeoutMs?: number | undefined;
  /** Whether the connection keeps it prepared. */
  readonly prepared: boolean;
  /** Planned once for all values. @default false */
  readonly genericPlan?: boolean | undefined;
}

/** Both return no row. */
const SET_TIMEOUT = "SELECT WHERE set_config('statement_timeout', $1, true) IS NULL";
const SET_TIMEOUT_AND_PLAN = `${SET_TIMEOUT} OR set_config('plan_cache_mode', 'force_generic_plan', true) IS NULL`;

/** Texts that are kept prepared. A program's texts are constants; generated ones must not fill memory. */
const MAX_NAMES = 1000;

/** Names are digests of texts: poolers share sessions between clients, so a name must never stand for two texts. */
const statementNames = (): ((text: string) => string) => {
  const names = new Map<string, string>();
  return (text) => {
    const earlier = names.get(text);
    if (earlier !== undefined) return earlier;
    if (names.size >= MAX_NAMES) return "";
    const name = `bw_${createHash("sha256").update(text).digest("base64url").slice(0, 22)}`;
    names.set(text, name);
    return name;
  };
};

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

/**
 * The drivers' own bookkeeping does not cover statements sent ahead of another one, failures, or poolers, so names are
 * tracked here.
 */
const useOf = ({ prepared }: Connection, name: string, text: string): Use => {
  const state = prepared.get(name);
  if (state === "ready") return { name, text, isParsed: false };
  // Statements sent behind the first use must not depend on its success.
  if (name === "" || state === "unconfirmed") return unnamed(text);
  prepared.set(name, "unconfirmed");
  return { name, text, isParsed: true };
};

/** Updates the connection's names by a statement's outcome. */
const settleUses = ({ prepared }: Connection, uses: readonly Use[], error: unknown): void => {
  for (const { name, isParsed } of uses) {
    if (name === "") continue;
    if (error === undefined) prepared.set(name, "ready");
    else if (isParsed || isStaleState(error)) prepared.delete(name);
  }
};

const writeBind = (wire: pg.Connection, { name, text, isParsed }: Use, values: (string | null)[]): void => {
  // Closing an unknown name is no error, but parsing a known one is.
  if (isParsed && name !== "") wire.close({ type: "S", name }, true);
  if (isParsed) wire.parse({ name, text, types: [] }, true);
  wire.bind({ portal: "", statement: name, values }, true);
};

/** Sends a statement, behind those sent before. @throws the driver's error */
export type SendStatement = (connection: Connection, options: StatementOptions) => Promise<StatementResult>;

/** @returns a function for the connections of one pool */
export const statementSender = (): SendStatement => {
  const nameOf = statementNames();

  return (connection, options) => {
    const { before, text, values, timeoutMs, prepared, genericPlan } = options;
    const use = (of: string): Use => useOf(connection, prepared ? nameOf(of) : "", of);
    const uses: Use[] = [];
    const write = (wire: pg.Connection): void => {
      const writeAhead = (ahead: Use, aheadValues: string[]): void => {
        writeBind(wire, ahead, aheadValues);
        wire.execute({ portal: "" }, true);
      };
      if (before !== undefined) writeAhead(unnamed(before), []);
      if (timeoutMs !== undefined) {
        const setting = use(genericPlan === true ? SET_TIMEOUT_AND_PLAN : SET_TIMEOUT);
        uses.push(setting);
        writeAhead(setting, [String(timeoutMs)]);
      }
      const statement = use(text);
      uses.push(statement);
      writeBind(wire, statement, values.map(valueText));
      wire.describe({ type: "P", name: "" }, true);
      wire.execute({ portal: "" }, true);
      wire.sync();
    };
    const sent = connection.send(write);
    sent.then(
      () => settleUses(connection, uses, undefined),
      (error: unknown) => settleUses(connection, uses, error),
    );
    return sent;
  };
};
