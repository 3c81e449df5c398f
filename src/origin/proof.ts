/** The proof that nothing was done for a request, for the edge, where that is sure. */
import { signNotExecuted } from "../middleware/signature/not-executed.ts";
import type { SigningKey } from "../middleware/signature/signing-keys.ts";

export interface Undone {
  readonly method: string;
  /** Reads a header field of the request. */
  readonly field: (name: string) => string | undefined;
  /**
   * Whether no pod has taken it, and none will. Something between the tiers may have sent it to several: what one has
   * not done another one may have.
   */
  readonly isOnlyHere: () => Promise<boolean>;
}

const SAFE: readonly string[] = ["GET", "HEAD"];

/** @returns the answer's fields; none where it is not sure */
export const proofOf = async (
  keys: readonly SigningKey[],
  status: number,
  { method, field, isOnlyHere }: Undone,
): Promise<Readonly<Record<string, string>>> => {
  const isSure = SAFE.includes(method) || (await isOnlyHere());
  return isSure ? (signNotExecuted(keys, status, field) ?? {}) : {};
};
