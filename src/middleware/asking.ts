/** Who wants to know how the system came to its answer, and who may. */
import { OPERATOR_SCOPE } from "../contract/scopes.ts";
import type { Principal } from "./auth/principal.ts";
import type { Exchange } from "./exchange.ts";

/** The request's field that asks for it, whatever its value. */
const ASKING_FIELD = "breakwater-explain";

export const asksForExplanation = ({ request }: Exchange): boolean => request.headers.has(ASKING_FIELD);

export const mayBeExplainedTo = ({ scopes }: Principal): boolean => scopes.includes(OPERATOR_SCOPE);
