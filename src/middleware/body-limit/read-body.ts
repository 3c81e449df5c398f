/** Reads a whole body, up to a maximum size, until its signal aborts. */

export type BodyReading =
  | { readonly kind: "read"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "too_large" }
  | { readonly kind: "timed_out" }
  /** The client left, or sent less than it had announced. */
  | { readonly kind: "broken" };

/** Bytes; 0 without the field (RFC 9110 §8.6). */
export const announcedLength = (contentLength: string | null): number =>
  contentLength === null ? 0 : Number(contentLength);

/** @param reader null if there is no body */
export const readBody = async (
  reader: ReadableStreamDefaultReader<Uint8Array> | null,
  maxBytes: number,
  signal: AbortSignal,
): Promise<BodyReading> => {
  if (reader === null) return { kind: "read", bytes: new Uint8Array(0) };
  const stop = (): void => void reader.cancel().catch(() => undefined);
  // A signal that has aborted calls no listeners.
  if (signal.aborted) {
    stop();
    return { kind: "timed_out" };
  }
  signal.addEventListener("abort", stop);
  try {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted) return { kind: "timed_out" };
      if (done || value === undefined) return { kind: "read", bytes: concatenate(chunks, length) };
      length += value.byteLength;
      if (length > maxBytes) {
        stop();
        return { kind: "too_large" };
      }
      chunks.push(value);
    }
  } catch {
    return { kind: signal.aborted ? "timed_out" : "broken" };
  } finally {
    signal.removeEventListener("abort", stop);
  }
};

const concatenate = (chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> => {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
};
