/** Reads a whole body, up to a maximum size, until its signal aborts. */

export type BodyReading =
  | { readonly kind: "read"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "too_large" }
  | { readonly kind: "timed_out" }
  /** The client left, or sent less than it had announced. */
  | { readonly kind: "broken" };

const concatenate = (chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> => {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
};

/** @param body null or undefined if there is none */
export const readBody = async (
  body: ReadableStream<Uint8Array> | null | undefined,
  maxBytes: number,
  signal: AbortSignal,
): Promise<BodyReading> => {
  const reader = body?.getReader();
  const cancel = (): void => void reader?.cancel().catch(() => undefined);
  signal.addEventListener("abort", cancel);
  try {
    // An aborted signal calls no listeners.
    if (signal.aborted) cancel();
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const chunk = await reader?.read();
      if (signal.aborted) return { kind: "timed_out" };
      if (chunk?.value === undefined) return { kind: "read", bytes: concatenate(chunks, length) };
      length += chunk.value.byteLength;
      if (length > maxBytes) {
        cancel();
        return { kind: "too_large" };
      }
      chunks.push(chunk.value);
    }
  } catch {
    return { kind: signal.aborted ? "timed_out" : "broken" };
  } finally {
    signal.removeEventListener("abort", cancel);
  }
};
