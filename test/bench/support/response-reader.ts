/** Reads the HTTP/1.1 responses of one connection, one at a time (RFC 9112 §6). */

export interface ReadResponse {
  readonly status: number;
  readonly body: Buffer;
  /** Whether the server closes the connection after it. */
  readonly isLast: boolean;
}

const HEAD_END = "\r\n\r\n";
const NOTHING: Buffer = Buffer.alloc(0);

export class ResponseReader {
  #pending = NOTHING;

  /**
   * @returns the response, once it is complete
   * @throws Error if it is no response, or more than one
   */
  push(chunk: Buffer): ReadResponse | undefined {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const headLength = this.#pending.indexOf(HEAD_END);
    if (headLength === -1) return undefined;
    const head = this.#pending.toString("latin1", 0, headLength);
    const body = readBody(head, this.#pending.subarray(headLength + HEAD_END.length));
    if (body === undefined) return undefined;
    this.#pending = NOTHING;
    const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1];
    if (status === undefined) throw new Error(`no status line: ${head.slice(0, 80)}`);
    return { status: Number(status), body, isLast: /\r\nconnection:[ \t]*close/i.test(head) };
  }
}

/** Undefined while it is incomplete. */
const readBody = (head: string, rest: Buffer): Buffer | undefined => {
  const length = /\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return complete(rest, Number(length));
  if (/\r\ntransfer-encoding:[ \t]*chunked/i.test(head)) return readChunks(rest);
  if (/^HTTP\/1\.1 (?:204|304)/.test(head)) return complete(rest, 0);
  throw new Error(`a response without a length: ${head.slice(0, 80)}`);
};

const complete = (rest: Buffer, length: number): Buffer | undefined => {
  if (rest.length > length) throw new Error("more bytes than the response has");
  return rest.length === length ? rest : undefined;
};

/** RFC 9112 §7.1. No server of the benchmarks sends trailer fields. */
const readChunks = (rest: Buffer): Buffer | undefined => {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf("\r\n", at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(rest.toString("latin1", at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error("a chunk without a size");
    const begin = lineEnd + 2;
    if (rest.length < begin + size + 2) return undefined;
    if (size === 0) return complete(rest.subarray(begin), 2) && Buffer.concat(chunks);
    chunks.push(rest.subarray(begin, begin + size));
    at = begin + size + 2;
  }
};
