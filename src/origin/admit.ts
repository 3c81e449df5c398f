/** Who may be served: what the edge has signed, or, where the origin guards itself, what its own guards let through. */
import { LABEL } from "../middleware/signature/covered-components.ts";
import type { SigningKey } from "../middleware/signature/signing-keys.ts";
import type { AdmittedRequest } from "./admitted-request.ts";
import type { OriginContext } from "./route-operation.ts";
import { unsigned } from "./unsigned.ts";
import { type ArrivedRequest, isUnsigned, type VerifyEdge } from "./verify-edge.ts";

/** What may be served, or the answer to what may not. */
export type Admit = (c: OriginContext) => AdmittedRequest | Response | Promise<AdmittedRequest | Response>;

const asArrived = (c: OriginContext): ArrivedRequest => ({
  method: c.req.method,
  url: c.req.url,
  field: (name) => c.req.header(name),
});

/** Nothing is told to anybody but the edge. */
export const admitSigned =
  (verify: VerifyEdge, keys: readonly SigningKey[]): Admit =>
  (c) => {
    const arrived = asArrived(c);
    const verified = verify(arrived);
    return isUnsigned(verified) ? unsigned(verified, keys, arrived) : verified;
  };

/** What is signed as the edge does it has been through the edge's guards, or comes from nobody. */
export const admitEither =
  (signed: Admit, guarded: Admit): Admit =>
  (c) =>
    c.req.header("signature-input")?.startsWith(`${LABEL}=`) ? signed(c) : guarded(c);
