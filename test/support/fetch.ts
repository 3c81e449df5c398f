/** `fetch` for tests that outlast a keep-alive connection. */

const MAX_ATTEMPTS = 4;

/** Whether the connection ended without a response. */
export const isClosed = (error: unknown): boolean =>
  error instanceof TypeError &&
  error.cause instanceof Error &&
  "code" in error.cause &&
  (error.cause.code === "UND_ERR_SOCKET" || error.cause.code === "ECONNRESET");

/**
 * Repeats a read if its connection was closed: workerd closes idle connections after 5 s, and `fetch` may just have chosen one
 * of them. Browsers do the same (RFC 9110 §9.2.2).
 */
export const fetchRead: typeof fetch = async (input, init) => {
  const isRead = (init?.method ?? "GET") === "GET";
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await fetch(input, init);
    } catch (error) {
      const isFinal = attempt === MAX_ATTEMPTS || init?.signal?.aborted === true;
      if (!isRead || isFinal || !isClosed(error)) throw error;
    }
  }
};
