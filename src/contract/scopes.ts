import type { Routes } from "./route.ts";

/** Every scope that some route asks for, sorted. */
export const scopesOf = (routes: Routes): string[] => {
  const scopes = Object.values(routes).flatMap(({ policy }) =>
    policy.auth === "public" ? [] : policy.auth.scopes,
  );
  return [...new Set(scopes)].sort();
};
