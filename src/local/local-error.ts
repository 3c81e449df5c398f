/** An expected failure. Its message is one line for the user, shown without a stack: what happened and what to do. */
export class LocalError extends Error {
  override readonly name = "LocalError";
}
