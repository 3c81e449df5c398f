/** What is told to who is not the edge; the edge itself is told that it was not believed. */
import { problem } from "../contract/problem.ts";
import { problemResponse } from "../middleware/problems/problem-response.ts";
import type { SigningKey } from "../middleware/signature/signing-keys.ts";
import { proofOf } from "./proof.ts";
import type { ArrivedRequest, Unsigned } from "./verify-edge.ts";

const STATUS = 401;

export const unsigned = async (
  { mistimed }: Unsigned,
  keys: readonly SigningKey[],
  request: Pick<ArrivedRequest, "method" | "field">,
): Promise<Response> => {
  if (mistimed === undefined) return problemResponse(problem("unsigned"), crypto.randomUUID());
  // An origin whose clock is right may take it.
  const headers = await proofOf(keys, STATUS, { ...request, isOnlyHere: mistimed.isOnlyHere });
  return problemResponse(problem("unsigned", { headers }), mistimed.requestId);
};
