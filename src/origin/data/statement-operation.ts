/** What telemetry calls a statement, by its text (OpenTelemetry, "Semantic conventions for SQL databases"). */
import type { DataOperation } from "./observe.ts";

/** A statement with common table expressions may do several things at once: it is called by its first word too. */
const OPERATIONS = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "COMMIT", "ROLLBACK"] as const;
/** Of whatever else there is. */
const OTHER = "OTHER";

/** Texts whose names are remembered; they are constants of the program, made-up ones must not fill memory. */
const MAX_TEXTS = 1_000;

const FIRST_WORD = /^[\s;(]*([a-z]+)/i;
/** Not that of `FOR UPDATE`, or of `DO UPDATE`. */
const WRITTEN =
  /\b(?:insert\s+into|(?<!\b(?:for|key|do)\s+)update|delete\s+from|merge\s+into)\s+([a-z_][a-z0-9_.]*)/i;
/** Not that of `extract(epoch FROM …)`, or of `IS DISTINCT FROM`. */
const READ = /(?<!\bextract\s*\(\s*[a-z_]+\s+|\bdistinct\s+)from\s+([a-z_][a-z0-9_.]*)/i;

export const statementOperations = (): ((text: string) => DataOperation) => {
  const known = new Map<string, DataOperation>();
  return (text) => {
    const remembered = known.get(text);
    if (remembered !== undefined) return remembered;
    const first = FIRST_WORD.exec(text)?.[1]?.toUpperCase();
    const operation = {
      system: "postgresql",
      operation: OPERATIONS.find((each) => each === first) ?? OTHER,
      collection: (WRITTEN.exec(text) ?? READ.exec(text))?.[1]?.toLowerCase(),
      text: text.replace(/\s+/g, " ").trim(),
    } as const;
    if (known.size < MAX_TEXTS) known.set(text, operation);
    return operation;
  };
};
