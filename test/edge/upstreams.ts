/** Origins that answer as a test tells them to, over real HTTP, and what may stand in their place. */
import type { IncomingMessage, RequestListener } from "node:http";
import { internalHeaders } from "../../src/contract/internal-headers.ts";
import { clientIdentities } from "../../src/middleware/context/client.ts";
import { type ReceivedContext, readEdgeContext } from "../../src/middleware/signature/edge-context.ts";
import { serve, type TestServer } from "../support/listen.ts";

export interface Upstream {
  readonly url: string;
  readonly authority: string;
  readonly weight: number;
  /** Requests that it has got. */
  readonly seen: readonly IncomingMessage[];
  answer(handler: RequestListener): void;
}

const servers: TestServer[] = [];

/** Ends all of them; to be called after each test. */
export const stopUpstreams = async (): Promise<void> => {
  await Promise.all(servers.splice(0).map(({ stop }) => stop()));
};

export const listen = async (first: RequestListener, weight = 1): Promise<Upstream> => {
  const seen: IncomingMessage[] = [];
  let handler = first;
  const server = await serve((request, response) => {
    seen.push(request);
    handler(request, response);
  });
  servers.push(server);
  const { url } = server;
  return {
    url,
    authority: new URL(url).host,
    weight,
    seen,
    answer: (next) => {
      handler = next;
    },
  };
};

export const idOf = ({ headers }: IncomingMessage): string => String(headers[internalHeaders.requestId]);

/** What the edge says about a request. */
export const contextOf = (request: IncomingMessage | undefined): ReceivedContext | undefined =>
  readEdgeContext(String(request?.headers[internalHeaders.context] ?? ""), clientIdentities(2));

/** As our origin answers. */
export const ours =
  (status: number, body = "done", headers: Readonly<Record<string, string>> = {}): RequestListener =>
  (request, response) =>
    void response.writeHead(status, { [internalHeaders.requestId]: idOf(request), ...headers }).end(body);
/** As a gateway before it answers. */
export const foreign =
  (status: number): RequestListener =>
  (_, response) =>
    void response.writeHead(status).end();
export const hanging: RequestListener = () => undefined;
export const cutting: RequestListener = (request) => void request.socket.resetAndDestroy();
