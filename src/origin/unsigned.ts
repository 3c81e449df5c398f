/** What is told to who is not the edge; the edge itself is told that it was not believed. */
import { problem } from "../contract/problem.ts";
import { problemResponse } from "../core/http/problem-response.ts";
import { signNotExecuted } from "../core/signature/not-executed.ts";
import type { SigningKey } from "../core/signature/signing-keys.ts";
import type { Unsigned } from "./verify-edge.ts";

const STATUS = 401;

/** @param field reads a header field of the request */
export const unsigned = (
  { mistimedId }: Unsigned,
  keys: readonly SigningKey[],
  field: (name: string) => string | undefined,
): Response => {
  if (mistimedId === undefined) return problemResponse(problem("unsigned"), crypto.randomUUID());
  // An origin whose clock is right may take it.
  return problemResponse(
    problem("unsigned", { headers: signNotExecuted(keys, STATUS, field) ?? {} }),
    mistimedId,
  );
};
