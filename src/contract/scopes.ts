import type { Routes } from "./route.ts";

/** No route asks for it: who holds it is told, on asking, how the system came to its answer. */
export const OPERATOR_SCOPE = "operator";

/** Every scope that some route asks for, sorted. */
export const scopesOf = (routes: Routes): string[] => {
  const scopes = Object.values(routes).flatMap(({ policy }) =>
    policy.auth === "public" ? [] : policy.auth.scopes,
  );
  return [...new Set(scopes)].sort();
};

/** Every scope that a key may have. */
export const keyScopes = (routes: Routes): string[] => [...new Set([...scopesOf(routes), OPERATOR_SCOPE])];
