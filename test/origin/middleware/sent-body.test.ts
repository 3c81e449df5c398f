/** Bodies of GET and HEAD at an origin that guards itself: the same answers as at the edge. */
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { Hono } from "hono";
import { afterAll, beforeAll, expect, test } from "vitest";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../../src/contract/route.ts";
import { bodyLimit } from "../../../src/middleware/body-limit/index.ts";
import { context } from "../../../src/middleware/context/index.ts";
import { type Listener, listen } from "../../../src/origin/lifecycle/listen.ts";
import { contextPort } from "../../../src/origin/middleware/context.ts";
import { sentBody } from "../../../src/origin/middleware/read-body.ts";
import { routed } from "../../middleware/support/app.ts";

const read = defineRoute({
  method: "GET",
  path: "/",
  summary: "Any read",
  tag: "Test",
  responses: { 200: { description: "Done" } },
  policy: { auth: "public" },
});

let listener: Listener;
beforeAll(async () => {
  const { handlers } = routed(edgeRoutes({ read })).use(bodyLimit({ now: Date.now, bodyOf: sentBody }));
  const app = new Hono().use(context(contextPort()), ...handlers).get("/", (c) => c.text("served"));
  listener = await listen(app.fetch, { host: "127.0.0.1", port: 0 });
});
afterAll(() => listener.close(0));

const CHUNKED = "Transfer-Encoding: chunked";

test.each([
  ["GET", "X: y", "", 200],
  ["GET", "Content-Length: 0", "", 200],
  ["GET", "Content-Length: 2", "{}", 413],
  ["HEAD", "Content-Length: 2", "{}", 413],
  ["GET", CHUNKED, "0\r\n\r\n", 200],
  ["HEAD", CHUNKED, "0\r\n\r\n", 200],
  ["GET", CHUNKED, "2\r\n{}\r\n0\r\n\r\n", 413],
  ["HEAD", CHUNKED, "2\r\n{}\r\n0\r\n\r\n", 413],
])("%s with %s and the body %j is %d", async (method, field, body, status) => {
  const socket = connect(listener.port, "127.0.0.1");
  socket.end(`${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${field}\r\n\r\n${body}`);
  expect(await text(socket)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
});
