/** Reports operations on data stores; telemetry makes metrics and spans of them. */

export interface DataOperation {
  readonly system: "postgresql" | "redis";
  /** From a closed set: the statement's or command's name, such as SELECT. */
  readonly operation: string;
  /** The table of a statement, if its text names one. */
  readonly collection?: string | undefined;
  /** The statement's text, without its values. */
  readonly text?: string | undefined;
}

/** Called when an operation begins; its result is called when the operation ends, with the error unless it succeeded. */
export type ObserveData = (operation: DataOperation) => (error: unknown, durationMs: number) => void;

export const observed = async <T>(
  observe: ObserveData | undefined,
  operation: DataOperation,
  work: () => Promise<T>,
): Promise<T> => {
  if (observe === undefined) return await work();
  const onEnd = observe(operation);
  const startMs = performance.now();
  const end = (error?: unknown): void => onEnd(error, performance.now() - startMs);
  try {
    const result = await work();
    end();
    return result;
  } catch (error) {
    end(error);
    throw error;
  }
};

/** A statement with common table expressions can do several things at once, so its operation is WITH. */
const OPERATIONS = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "COMMIT", "ROLLBACK"] as const;

/** A program's texts are constants; generated ones must not fill memory. */
const MAX_TEXTS = 1_000;

const FIRST_WORD = /^[\s;(]*([a-z]+)/i;
/** Not that of `FOR UPDATE` or `DO UPDATE`. */
const WRITTEN =
  /\b(?:insert\s+into|(?<!\b(?:for|key|do)\s+)update|delete\s+from|merge\s+into)\s+([a-z_][a-z0-9_.]*)/i;
/** Not that of `extract(epoch FROM …)` or `IS DISTINCT FROM`. */
const READ = /(?<!\bextract\s*\(\s*[a-z_]+\s+|\bdistinct\s+)from\s+([a-z_][a-z0-9_.]*)/i;

/** Describes statements by their text (OpenTelemetry, "Semantic conventions for SQL databases"). */
export const statementOperations = (): ((text: string) => DataOperation) => {
  const remembered = new Map<string, DataOperation>();
  return (text) => {
    const earlier = remembered.get(text);
    if (earlier !== undefined) return earlier;
    const first = FIRST_WORD.exec(text)?.[1]?.toUpperCase();
    const operation = {
      system: "postgresql",
      operation: OPERATIONS.find((each) => each === first) ?? "OTHER",
      collection: (WRITTEN.exec(text) ?? READ.exec(text))?.[1]?.toLowerCase(),
      text: text.replace(/\s+/g, " ").trim(),
    } as const;
    if (remembered.size < MAX_TEXTS) remembered.set(text, operation);
    return operation;
  };
};
