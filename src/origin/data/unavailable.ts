/** Whether an error says that a dependency is away, rather than that the program is wrong. */
import pg from "pg";

/** PostgreSQL's classes (Appendix A): connection exception, insufficient resources, operator intervention. */
const AWAY_CLASSES = ["08", "53", "57"];
/** A database that is recovering, and connections that node-postgres itself gave up. */
const AWAY_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client was closed|Client has encountered a connection error|Cannot use a pool after calling end)/;
const AWAY_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ETIMEDOUT",
  "EPIPE",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
]);

export const isUnavailable = (error: unknown): boolean => {
  if (error instanceof AggregateError) return error.errors.some(isUnavailable);
  if (!(error instanceof Error)) return false;
  if (error instanceof pg.DatabaseError) return AWAY_CLASSES.includes(error.code?.slice(0, 2) ?? "");
  if ("code" in error && typeof error.code === "string" && AWAY_CODES.has(error.code)) return true;
  return AWAY_MESSAGES.test(error.message);
};
