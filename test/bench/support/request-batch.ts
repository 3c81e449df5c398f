/** Prepared requests, so that sending one is only a write. */

export interface RequestBatch {
  /** All requests, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where each request ends in `bytes`. */
  readonly ends: Uint32Array<ArrayBuffer>;
  /** Whether they can be sent more than once. */
  readonly isRepeatable: boolean;
}

export interface RequestParts {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** One HTTP/1.1 request; its Content-Length is added. */
export const rawRequest = ({ method, target, headers, body }: RequestParts): string => {
  let text = `${method} ${target} HTTP/1.1\r\n`;
  for (const name in headers) text += `${name}: ${headers[name]}\r\n`;
  if (body !== undefined) text += `content-length: ${Buffer.byteLength(body)}\r\n`;
  return `${text}\r\n${body ?? ""}`;
};

export const requestBatch = (requests: readonly string[], isRepeatable: boolean): RequestBatch => {
  const bytes = new Uint8Array(Buffer.from(requests.join("")));
  const ends = new Uint32Array(requests.length);
  let end = 0;
  for (const [index, request] of requests.entries()) {
    end += Buffer.byteLength(request);
    ends[index] = end;
  }
  return { bytes, ends, isRepeatable };
};

/** @returns a function that returns the requests in order, and undefined after the last one */
export const requestsOf = ({ bytes, ends, isRepeatable }: RequestBatch): (() => Uint8Array | undefined) => {
  let index = 0;
  return () => {
    if (index === ends.length && isRepeatable) index = 0;
    const end = ends[index];
    if (end === undefined) return undefined;
    const begin = index === 0 ? 0 : ends[index - 1];
    index += 1;
    return bytes.subarray(begin, end);
  };
};
