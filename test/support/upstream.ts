/** An origin of a test's own, over real HTTP, that answers what it is told to, as the edge's own origin. */
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
  /** What it answers from now on; undefined: nothing, ever. */
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
    // By its request's id the edge knows its own origin.
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
