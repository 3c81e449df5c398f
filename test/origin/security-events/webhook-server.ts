/** A SIEM's end: a real server that can be away, hang, fail or refuse. */
import { once } from "node:events";
import { createServer } from "node:http";

export type Behaviour = "take" | "hang" | "fail" | "refuse" | "lose";

export interface Received {
  readonly atMs: number;
  readonly authorization: string | undefined;
  readonly body: string;
  readonly path: string | undefined;
}

export interface WebhookServer {
  readonly url: string;
  /** Every request, however it was answered. */
  readonly received: readonly Received[];
  /** Those that were taken. */
  readonly taken: readonly Received[];
  behave(next: Behaviour): void;
  /** Refuses what holds this text, and takes everything else. */
  refuseWhatHolds(text: string): void;
  /** Nobody listens any more. */
  leave(): Promise<void>;
  /** Listens again, at the same address. */
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

const STATUS: Record<Exclude<Behaviour, "hang" | "lose">, number> = { take: 200, fail: 500, refuse: 400 };

export const startWebhookServer = async (): Promise<WebhookServer> => {
  const received: Received[] = [];
  const taken: Received[] = [];
  let behaviour: Behaviour = "take";
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
      if (behaviour === "hang") return;
      const isPoisoned = poison !== undefined && body.includes(poison);
      const behaves = isPoisoned ? "refuse" : behaviour;
      if (behaves === "take" || behaves === "lose") taken.push(each);
      if (behaves === "lose") request.socket.destroy();
      else response.writeHead(STATUS[behaves]).end();
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
  const leave = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    taken,
    behave: (next) => {
      behaviour = next;
    },
    refuseWhatHolds: (text) => {
      poison = text;
    },
    leave,
    comeBack: async () => void (await listen(port)),
    stop: leave,
  };
};
