/** A SIEM: a real server that can be down, hang, fail or reject. */
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { close, listen } from "../../support/listen.ts";

/** `lose` accepts the events and then closes the connection without a response. */
export type Behavior = "accept" | "hang" | "fail" | "reject" | "lose";

export interface Received {
  readonly atMs: number;
  readonly authorization: string | undefined;
  readonly body: string;
  readonly path: string | undefined;
}

export type WebhookServer = Awaited<ReturnType<typeof startWebhookServer>>;

const STATUS: Record<Exclude<Behavior, "hang" | "lose">, number> = { accept: 200, fail: 500, reject: 400 };

export const startWebhookServer = async () => {
  const received: Received[] = [];
  const accepted: Received[] = [];
  let behavior: Behavior = "accept";
  let poison: string | undefined;
  const server = createServer((request, response) => {
    const answer = (body: string): void => {
      const { headers, url: path, socket } = request;
      const each = { atMs: performance.now(), authorization: headers.authorization, body, path };
      received.push(each);
      if (behavior === "hang") return;
      const current = poison !== undefined && body.includes(poison) ? "reject" : behavior;
      if (current === "accept" || current === "lose") accepted.push(each);
      if (current === "lose") socket.destroy();
      else response.writeHead(STATUS[current]).end();
    };
    text(request).then(answer, () => undefined);
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    /** Every request, whatever the response. */
    received,
    /** Requests whose events were accepted. */
    accepted,
    behave: (next: Behavior): void => {
      behavior = next;
    },
    /** Rejects requests that contain this text. */
    rejectContaining: (unacceptable: string): void => {
      poison = unacceptable;
    },
    /** Stops listening, and closes every connection. */
    stop: () => close(server),
    /** Listens again at the same address. */
    reopen: () => listen(server, port),
  };
};
