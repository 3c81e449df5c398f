/** Responses to requests whose body has not been read (RFC 9112 §9.6), over real connections. */
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readBody } from "../../../src/middleware/body-limit/read-body.ts";
import { type Listener, listen } from "../../../src/origin/lifecycle/listen.ts";

const MAX_BYTES = 1_000;
const PROBLEM = "x".repeat(500);
const refused = () => new Response(PROBLEM, { status: 401 });

/** What a route does before it answers. */
const handlers: Readonly<Record<string, (request: Request) => Response | Promise<Response>>> = {
  "/at-once": refused,
  "/later": async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return refused();
  },
  "/by-size": async ({ body }) => {
    const { kind } = await readBody(body, MAX_BYTES, AbortSignal.timeout(10_000));
    return kind === "too_large" ? refused() : new Response(kind);
  },
};

let listener: Listener;
let sockets: Socket[];
beforeEach(async () => {
  sockets = [];
  listener = await listen(
    (request) => handlers[new URL(request.url).pathname]?.(request) ?? new Response(null, { status: 404 }),
    { host: "127.0.0.1", port: 0 },
  );
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await listener.close(0);
});

const open = (): Socket => {
  const socket = connect({ port: listener.port, host: "127.0.0.1", allowHalfOpen: true });
  sockets.push(socket);
  return socket;
};

const head = (path: string, fields: string, method = "POST"): string =>
  `${method} ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`;

const MIB = 1024 * 1024;
const chunked = (count: number): string[] =>
  Array.from({ length: count }, () => `100000\r\n${"b".repeat(MIB)}\r\n`);

/** Sends everything before it reads, as some clients do. @returns what it reads until the connection ends */
const sendThenRead = async (parts: readonly string[]): Promise<string> => {
  const socket = open();
  for (const part of parts)
    await new Promise<void>((resolve, reject) =>
      socket.write(part, (error) => (error ? reject(error) : resolve())),
    );
  return await text(socket);
};

const LENGTH = 8 * MIB;

describe("a client that sends a large body before it reads can read the refusal", () => {
  test.each(["/at-once", "/later", "/by-size"])("of %s, with a length", async (path) => {
    const parts = [head(path, `Content-Length: ${LENGTH}`), ...Array(8).fill("b".repeat(MIB))];
    const answer = await sendThenRead(parts);
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    expect(answer.toLowerCase()).toContain("\r\nconnection: close\r\n");
    expect(answer.endsWith(PROBLEM)).toBe(true);
  });

  test.each(["/at-once", "/later", "/by-size"])("of %s, in chunks", async (path) => {
    const answer = await sendThenRead([head(path, "Transfer-Encoding: chunked"), ...chunked(8), "0\r\n\r\n"]);
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    expect(answer.toLowerCase()).toContain("\r\nconnection: close\r\n");
    expect(answer.endsWith(PROBLEM)).toBe(true);
  });

  test("of a GET", async () => {
    const parts = [head("/at-once", `Content-Length: ${LENGTH}`, "GET"), ...Array(8).fill("b".repeat(MIB))];
    const answer = await sendThenRead(parts);
    expect(answer.toLowerCase()).toContain("\r\nconnection: close\r\n");
    expect(answer.endsWith(PROBLEM)).toBe(true);
  });
});

test("a response says that the connection closes if the body is still on its way", async () => {
  const socket = open();
  socket.write(head("/at-once", `Content-Length: ${LENGTH}`));
  const answer = await text(socket);
  expect(answer.toLowerCase()).toContain("\r\nconnection: close\r\n");
  expect(answer.endsWith(PROBLEM)).toBe(true);
});

test("a client may take longer to send the rest than the server's own clean-up waits", async () => {
  const socket = open();
  socket.write(head("/at-once", `Content-Length: ${LENGTH}`));
  await new Promise((resolve) => socket.once("data", resolve));
  await new Promise((resolve) => setTimeout(resolve, 700));
  const rest = Array(8).fill("b".repeat(MIB));
  for (const part of rest)
    await new Promise<void>((resolve, reject) =>
      socket.write(part, (error) => (error ? reject(error) : resolve())),
    );
  const ended = new Promise((resolve) => socket.once("close", resolve));
  socket.resume().end();
  expect(await ended).toBe(false);
});

test.each([
  ["without a body", "Content-Length: 0", ""],
  ["without a length", "X: y", ""],
  ["whose body came with its header", "Content-Length: 5", "small"],
  ["whose chunks came with its header", "Transfer-Encoding: chunked", "5\r\nsmall\r\n0\r\n\r\n"],
])("a connection stays open after the refusal of a request %s", async (_, fields, body) => {
  const socket = open();
  socket.write(`${head("/at-once", fields)}${body}${head("/at-once", "Connection: close")}`);
  const answers = (await text(socket)).split("HTTP/1.1 401");
  expect(answers).toHaveLength(3);
  expect(answers[1]?.toLowerCase()).not.toContain("connection: close");
});

test("the end of the process does not wait for a client that keeps sending", async () => {
  const socket = open();
  socket.on("error", () => undefined);
  socket.write(head("/at-once", `Content-Length: ${LENGTH}`));
  await new Promise((resolve) => socket.once("data", resolve));
  socket.write("b".repeat(MIB));
  expect(await listener.close(10_000, 50)).toBe(0);
});
