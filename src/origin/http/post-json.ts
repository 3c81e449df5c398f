export interface HttpTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export const isSuccess = (status: number): boolean => status >= 200 && status < 300;

/**
 * Sends JSON to a configured server, such as a collector.
 *
 * @param timeoutMs until the response's head, a whole number
 * @returns the response's status; its body is discarded
 * @throws if no response comes in time
 */
export const postJson = async (
  { url, headers }: HttpTarget,
  body: string,
  timeoutMs: number,
): Promise<number> => {
  const response = await fetch(url, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body,
    // A redirect must not send the token elsewhere.
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  });
  await response.body?.cancel();
  return response.status;
};
