/** A test's own origin over real HTTP, with responses that the edge accepts as its origin's. */
import type { IncomingHttpHeaders } from "node:http";
import { serve } from "./listen.ts";

export interface Arrived {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface UpstreamAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

type MakeAnswer = (arrived: Arrived) => UpstreamAnswer | undefined | Promise<UpstreamAnswer>;

export interface Upstream {
  readonly url: string;
  /** All requests so far. */
  readonly arrived: readonly Arrived[];
  /** Sets its responses from now on; undefined: it never responds. */
  answer(make: MakeAnswer): void;
  stop(): Promise<void>;
}

export const startUpstream = async (): Promise<Upstream> => {
  const arrived: Arrived[] = [];
  let make: MakeAnswer = () => ({});
  const server = await serve(async (request, response) => {
    const { method = "", url = "", headers } = request;
    const each = { method, url, headers };
    arrived.push(each);
    const answer = await make(each);
    if (answer === undefined) return;
    // The edge recognizes its origin by the request's id.
    const own = { "x-request-id": String(headers["x-request-id"]), ...answer.headers };
    response.writeHead(answer.status ?? 200, own).end(method === "HEAD" ? undefined : answer.body);
  });
  return {
    ...server,
    arrived,
    answer: (next) => {
      make = next;
    },
  };
};
