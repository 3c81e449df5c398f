/** A SIEM: a real server that can be down, hang, fail or reject. */
import { once } from "node:events";
import { createServer } from "node:http";

/** `lose` accepts the events and then closes the connection without a response. */
export type Behavior = "accept" | "hang" | "fail" | "reject" | "lose";

export interface Received {
  readonly atMs: number;
  readonly authorization: string | undefined;
  readonly body: string;
  readonly path: string | undefined;
}

export interface WebhookServer {
  readonly url: string;
  /** Every request, whatever the response. */
  readonly received: readonly Received[];
  /** Requests whose events were accepted. */
  readonly accepted: readonly Received[];
  behave(next: Behavior): void;
  /** Rejects requests that contain this text. */
  rejectContaining(text: string): void;
  /** Stops listening, and closes every connection. */
  close(): Promise<void>;
  /** Listens again at the same address. */
  reopen(): Promise<void>;
  stop(): Promise<void>;
}

const STATUS: Record<Exclude<Behavior, "hang" | "lose">, number> = { accept: 200, fail: 500, reject: 400 };

export const startWebhookServer = async (): Promise<WebhookServer> => {
  const received: Received[] = [];
  const accepted: Received[] = [];
  let behavior: Behavior = "accept";
  let poison: string | undefined;
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => {
      const each = {
        atMs: performance.now(),
        authorization: request.headers.authorization,
        body,
        path: request.url,
      };
      received.push(each);
      if (behavior === "hang") return;
      const isPoisoned = poison !== undefined && body.includes(poison);
      const current = isPoisoned ? "reject" : behavior;
      if (current === "accept" || current === "lose") accepted.push(each);
      if (current === "lose") request.socket.destroy();
      else response.writeHead(STATUS[current]).end();
    });
  });
  const listen = async (port: number): Promise<number> => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error("the server has no address");
    return address.port;
  };
  const port = await listen(0);
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    accepted,
    behave: (next) => {
      behavior = next;
    },
    rejectContaining: (text) => {
      poison = text;
    },
    close,
    reopen: async () => void (await listen(port)),
    stop: close,
  };
};
