/** What happens at a store of data, handed out for telemetry. */

export interface DataOperation {
  readonly system: "postgresql" | "redis";
  /** From a closed set: the statement's or the command's own name, such as SELECT. */
  readonly operation: string;
  /** The table that a statement is about, where its text tells. */
  readonly collection?: string | undefined;
  /** The statement's text, without its values. */
  readonly text?: string | undefined;
}

/** @param error with which it failed; undefined where it was done */
export type OperationEnded = (error: unknown, durationMs: number) => void;

/** Called as an operation begins; what it returns is called as it ends. */
export type ObserveData = (operation: DataOperation) => OperationEnded;

/** Tells of the work. */
export const observed = async <T>(
  observe: ObserveData | undefined,
  operation: DataOperation,
  work: () => Promise<T>,
): Promise<T> => {
  if (observe === undefined) return await work();
  const ended = observe(operation);
  const beganAtMs = performance.now();
  let result: T;
  try {
    result = await work();
  } catch (error) {
    ended(error, performance.now() - beganAtMs);
    throw error;
  }
  ended(undefined, performance.now() - beganAtMs);
  return result;
};
