/**
 * Who is asking: an API key, or an access token of the issuer that the configuration names, by `Authorization: Bearer`; and
 * the scopes that the route asks for.
 */
import type { Auth } from "../../contract/policy.ts";
import { type Problem, problem } from "../../contract/problem.ts";
import type { AuthFailureReason } from "../../security-events/event.ts";
import { asksForExplanation, mayBeExplainedTo } from "../asking.ts";
import { type Exchange, type Guard, type GuardResult, routed } from "../exchange.ts";
import type { ReportSecurity } from "../security-report.ts";
import { bearerToken } from "./api-key.ts";
import { looksLikeToken } from "./jwt.ts";
import { missingScopes } from "./principal.ts";
import { ANONYMOUS, type AuthResult, type CheckCredentials, provenPrincipal } from "./result.ts";

export interface AuthenticationDependencies {
  readonly keys: CheckCredentials;
  /** @default no token is taken */
  readonly tokens?: CheckCredentials | undefined;
  readonly reportSecurity: ReportSecurity;
}

const challenge = (error?: string, scope?: string): Record<string, string> => ({
  "www-authenticate": `Bearer realm="api"${error ? `, error="${error}"` : ""}${scope ? `, scope="${scope}"` : ""}`,
});

const unauthenticated = (detail: string, error?: string): Problem =>
  problem("unauthenticated", { detail, headers: challenge(error) });

const unavailable = problem("unavailable", {
  detail: "Credentials cannot be checked now.",
  headers: { "retry-after": "1" },
});

/** What whoever has a token may do something about; of a key nothing more is told than that it is not valid. */
const TOKEN_FAULTS: Readonly<Partial<Record<AuthFailureReason, string>>> = {
  malformed: "is none that is taken",
  unsupported_algorithm: "is signed by an algorithm that is not taken",
  unknown_key: "is signed by a key that its issuer does not publish",
  bad_signature: "is not signed by its issuer",
  expired: "has expired",
  not_yet_valid: "is not valid yet",
  wrong_issuer: "is of another issuer",
  wrong_audience: "is for another audience",
  no_expiry: "does not say when it expires",
  no_subject: "names no subject",
};

export const authenticationGuard = ({ keys, tokens, reportSecurity }: AuthenticationDependencies): Guard => {
  const isToken = (text: string): boolean => tokens !== undefined && looksLikeToken(text);

  const check = (text: string, exchange: Exchange): AuthResult | Promise<AuthResult> =>
    tokens !== undefined && looksLikeToken(text) ? tokens(text, exchange) : keys(text, exchange);

  const refuse = (exchange: Exchange, user: string, reason: AuthFailureReason, answer: Problem): Problem => {
    reportSecurity(exchange, { type: "auth_failure", user, reason });
    return answer;
  };

  const judge = (
    exchange: Exchange,
    { scopes }: Exclude<Auth, "public">,
    text: string,
    credentials: AuthResult,
  ): GuardResult => {
    if (credentials.kind === "unavailable") return unavailable;
    if (credentials.kind === "refused") {
      const { user, reason } = credentials;
      const fault = isToken(text) ? TOKEN_FAULTS[reason] : undefined;
      const detail = fault === undefined ? "The API key is not valid." : `The token ${fault}.`;
      return refuse(exchange, user, reason, unauthenticated(detail, "invalid_token"));
    }
    const { principal } = credentials.identity;
    const missing = missingScopes({ scopes }, principal);
    if (missing.length > 0) {
      const answer = problem("forbidden", {
        detail: `The credentials lack the scope ${missing.join(", ")}.`,
        headers: challenge("insufficient_scope", scopes.join(" ")),
      });
      return refuse(exchange, principal.id, "insufficient_scope", answer);
    }
    exchange.verdict = credentials.identity;
    exchange.isExplained = asksForExplanation(exchange) && mayBeExplainedTo(principal);
    return undefined;
  };

  /** On a public route it only matters who asks how its answer came about. */
  const judgeCurious = (exchange: Exchange, credentials: AuthResult): undefined => {
    const principal = provenPrincipal(credentials);
    exchange.isExplained = principal !== undefined && mayBeExplainedTo(principal);
  };

  return (exchange) => {
    const { auth } = routed(exchange).entry.route.policy;
    if (auth === "public" && !asksForExplanation(exchange)) return undefined;
    const text = bearerToken(exchange.request.headers.get("authorization"));
    if (text === undefined) {
      return auth === "public"
        ? undefined
        : refuse(
            exchange,
            ANONYMOUS,
            "missing",
            unauthenticated(
              `Send ${tokens === undefined ? "an API key" : "an API key or a token"} as Authorization: Bearer.`,
            ),
          );
    }
    const decide = (credentials: AuthResult): GuardResult =>
      auth === "public" ? judgeCurious(exchange, credentials) : judge(exchange, auth, text, credentials);
    const credentials = check(text, exchange);
    return credentials instanceof Promise ? credentials.then(decide) : decide(credentials);
  };
};
