/** A request with any fields: `fetch` sets Host and Origin itself. */
import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";

interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface RawResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export const rawRequest = async (
  url: string,
  { method, path, headers, body = "" }: RawRequest,
): Promise<RawResponse> => {
  const { hostname, port } = new URL(url);
  const sent = request({
    ...{ hostname, port, method, path, agent: false },
    headers: { "content-type": "application/json", ...headers },
  });
  sent.end(body);
  const [response]: IncomingMessage[] = await once(sent, "response");
  if (response === undefined) throw new Error("no response");
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
};
