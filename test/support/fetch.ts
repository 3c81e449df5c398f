/** `fetch` for tests that outlast a kept connection. */

const isClosed = (error: unknown): boolean =>
  error instanceof TypeError &&
  error.cause instanceof Error &&
  "code" in error.cause &&
  (error.cause.code === "UND_ERR_SOCKET" || error.cause.code === "ECONNRESET");

/**
 * Sends a read again if its connection was closed under it: workerd closes idle ones after 5 s, and `fetch` may have just
 * taken one of them. Browsers do the same (RFC 9110 §9.2.2).
 */
export const fetchRead: typeof fetch = async (input, init) => {
  try {
    return await fetch(input, init);
  } catch (error) {
    const isRead = (init?.method ?? "GET") === "GET";
    if (!isRead || init?.signal?.aborted === true || !isClosed(error)) throw error;
    return await fetch(input, init);
  }
};
