/** Lets through what the guards let through. */
import type { MiddlewareHandler } from "hono";
import { every } from "hono/combine";
import type { AuthVariables } from "../../middleware/auth/index.ts";
import type { BodyVariables } from "../../middleware/body-limit/index.ts";
import { type ContextVariables, context, type VariableReader } from "../../middleware/context/index.ts";
import type { RouteVariables } from "../../middleware/route-policy/index.ts";
import { isSampled, traceIdOf } from "../../telemetry/trace-context.ts";
import type { Admit } from "../admit.ts";
import type { OriginContext } from "../route-operation.ts";

const NO_BODY = new Uint8Array(0);

/** The last entry of a list: the gateway has appended it to whatever the client had sent. */
const lastOf = (field: string | undefined): string | null => field?.split(",").at(-1)?.trim() ?? null;

type Variables = VariableReader<ContextVariables & RouteVariables & AuthVariables & Partial<BodyVariables>>;

export const admitGuarded = (
  guards: readonly MiddlewareHandler[],
  gatewayField: string | undefined,
  samplingRate: number,
  now: () => number,
): Admit => {
  const run = every(
    context({
      clientAddress: (c: OriginContext) =>
        gatewayField === undefined
          ? (c.env?.incoming?.socket.remoteAddress ?? null)
          : lastOf(c.req.header(gatewayField)),
      waitUntil: (_, work) => void work,
    }),
    ...guards,
  );
  return async (c) => {
    let isAdmitted = false;
    await run(c, async () => {
      isAdmitted = true;
    });
    if (!isAdmitted) return c.res;
    const variables: Variables = c;
    const requestId = variables.get("requestId");
    return {
      requestId,
      verdict: variables.get("identity"),
      client: variables.get("client").name,
      timeoutMs: variables.get("deadlineAtMs") - now(),
      isSentAgain: false,
      cacheControl: undefined,
      claim: async () => true,
      isOnlyHere: async () => false,
      trace: isSampled(traceIdOf(requestId), samplingRate) ? { parentSpanId: undefined } : undefined,
      notes: {},
      fields: Object.fromEntries(c.res.headers),
      guardedBody: variables.get("body") ?? NO_BODY,
    };
  };
};
