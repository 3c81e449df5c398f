/** Bytes on a connection to an origin: request lines, header fields, chunks and lengths that are near valid ones. */
import { Socket } from "node:net";
import * as z from "zod/mini";
import { listen } from "../../../src/origin/lifecycle/listen.ts";
import { lastOf } from "../../../src/origin/middleware/context.ts";
import { answerMalformed } from "../../../src/origin/middleware/malformed.ts";
import type { Occurrence } from "../../../src/security-events/event.ts";
import { nearTexts } from "../mutate.ts";
import { PLANNED } from "../requests.ts";
import { defineTarget, must } from "../target.ts";

/** Longer than the origin keeps a connection without a whole request, milliseconds. */
const WAIT_MS = 20_000;

/** All that comes back until the connection ends. @throws Error if it does not end, or is refused */
const answersTo = (url: string, bytes: Buffer): Promise<string> => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { hostname, port } = new URL(url);
  const chunks: Buffer[] = [];
  const socket = new Socket();
  const finish = (): void => {
    socket.destroy();
    resolve(Buffer.concat(chunks).toString("latin1"));
  };
  socket.setTimeout(WAIT_MS, () => {
    reject(new Error("the origin neither responds nor closes the connection"));
    socket.destroy();
  });
  socket.on("data", (chunk) => void chunks.push(chunk));
  socket.on("error", (error) =>
    "code" in error && error.code === "ECONNREFUSED" ? reject(error) : finish(),
  );
  socket.on("close", finish);
  // The end of the client's bytes: no request follows.
  socket.connect(Number(port), hostname, () => socket.end(bytes));
  return promise;
};

/** The same server in this thread, whose lines are counted: it reads each body and returns its length. */
const listenHere = async (onOccurrence: (occurrence: Occurrence) => void) => {
  const server = { host: "127.0.0.1", port: 0, guards: "origin" as const, clientAddressHeader: undefined };
  const gateway = { guards: "origin" as const, clientAddressHeader: "x-forwarded-for" };
  const now = Date.now;
  const direct = answerMalformed({ server, record: onOccurrence, now });
  const behind = answerMalformed({ server: gateway, record: onOccurrence, now });
  const listener = await listen(
    async (request) => {
      return new Response(String((await request.arrayBuffer()).byteLength));
    },
    server,
    (code, peer) => (peer.headers["x-forwarded-for"] === undefined ? direct : behind)(code, peer),
  );
  // Without a report of what is malformed.
  const plain = await listen(async () => new Response(null, { status: 204 }), server);
  return {
    urls: [listener, plain].map(({ port }) => `http://127.0.0.1:${port}`),
    stop: async () => {
      listener.turnAway();
      await Promise.all([listener.close(1_000, 10), plain.close(1_000)]);
    },
  };
};

const VALID = Buffer.from("GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");

export const wire = defineTarget({
  name: "wire",
  files: ["origin/middleware/malformed.ts"],
  schema: z.string(),
  inputs: (seeds) =>
    nearTexts(seeds, [
      "\r\n",
      "\n",
      "\r\n\r\n",
      " HTTP/1.1\r\n",
      " HTTP/1.0\r\n",
      " HTTP/2.0\r\n",
      "\r\nContent-Length: 5",
      "\r\nContent-Length: 99999999999999999999",
      "\r\nTransfer-Encoding: chunked\r\n\r\n",
      "0\r\n\r\n",
      "5\r\nabcde\r\n",
      "ffffffffffffffff\r\n",
      "\r\n folded",
      "\r\nHost: b",
      "\r\nExpect: 100-continue",
      "\r\nUpgrade: websocket\r\nConnection: upgrade",
      "\r\nConnection: close",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "http://a/",
      "CONNECT a:1",
      "TRACE ",
      "OPTIONS *",
      "\0",
      "\t",
    ]),
  start: async ({ origin }) => {
    const url = origin?.url ?? "";
    const occurrences: Occurrence[] = [];
    const here = await listenHere((occurrence) => void occurrences.push(occurrence));
    let inputs = 0;
    return {
      run: async (text) => {
        inputs += 1;
        const bytes = Buffer.from(text, "latin1");
        for (const answers of await Promise.all([url, ...here.urls].map((each) => answersTo(each, bytes)))) {
          must(answers === "" || answers.startsWith("HTTP/1.1 "), "an answer that is not HTTP");
          for (const [, status = ""] of answers.matchAll(/^HTTP\/1\.1 (\d{3})/gm))
            must(status === "100" || PLANNED.includes(Number(status)), `the origin responded ${status}`);
        }
        for (const { type, client } of occurrences.splice(0))
          must(type === "suspicious_activity" && client !== "", "an event of another kind");
        lastOf(text);
        if (inputs % 20 === 0)
          must((await answersTo(url, VALID)).startsWith("HTTP/1.1 200"), "the origin is not alive");
      },
      stop: here.stop,
    };
  },
});
