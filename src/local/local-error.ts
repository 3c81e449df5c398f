/**
 * An expected failure of the local system: its message is one clear line for the user, what happened and
 * what to do, to be shown without a stack.
 */
export class LocalError extends Error {
  override readonly name = "LocalError";
}
