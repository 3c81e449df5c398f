import type { Ending } from "../middleware/body-limit/index.ts";

/**
 * A signal that aborts at a time, for what takes signals; it is to be cleared, or its timer goes on.
 *
 * @param ms from now; at once where it is not above 0
 */
export const endingIn = (ms: number): Ending & { readonly signal: AbortSignal } => {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), Math.max(0, ms));
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
};
