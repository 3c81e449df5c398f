/** Requests at the origin, signed or not, with a real database: each value that a schema lets pass reaches a statement. */
import { Agent, request } from "node:http";
import fc from "fast-check";
import * as z from "zod/mini";
import { contract } from "../../../src/contract/contract.ts";
import { scopesOf } from "../../../src/contract/route.ts";
import { writeEdgeContext } from "../../../src/middleware/signature/edge-context.ts";
import { contentDigest, signRequest } from "../../../src/middleware/signature/sign.ts";
import { readOriginConfiguration } from "../../../src/origin/config/read.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { createLogOutput } from "../../../src/origin/log/stdout.ts";
import { startServer } from "../../../src/origin/server.ts";
import { testKey } from "../../middleware/signature/signed-request.ts";
import { nearRequests, PLANNED, type RequestInput, requestInput, sendable } from "../requests.ts";
import { defineTarget, must } from "../target.ts";

const AUTHORITY = "origin.test";

/** Characters that a request line may have. */
const pathOf = (url: string): string => {
  const path = url.replace(/[^\x21-\x7e]/g, (character) => encodeURIComponent(character.toWellFormed()));
  return path.startsWith("/") ? path : `/${path}`;
};

const FIELD_NAME = /^[a-z0-9-]+$/;
/** Node's client writes these itself. */
const OF_CONNECTION = ["host", "connection", "content-length", "transfer-encoding", "expect", "upgrade"];

const fieldsOf = ({ headers }: RequestInput): Record<string, string> =>
  Object.fromEntries(
    headers
      .filter(([name]) => FIELD_NAME.test(name) && !OF_CONNECTION.includes(name))
      .map(([name, value]) => [name, sendable(value)]),
  );

/** Signed like the edge's, whatever it contains. */
const signedFields = async (
  { method }: RequestInput,
  path: string,
  fields: Readonly<Record<string, string>>,
  body: Uint8Array<ArrayBuffer> | undefined,
  principal: string | undefined,
  ageMs: number,
): Promise<Record<string, string>> => {
  const { signature: _, "signature-input": __, ...others } = fields;
  const identity =
    principal === undefined
      ? ({ auth: "none" } as const)
      : ({ auth: "api-key", principal: { id: principal, scopes: scopesOf(contract) } } as const);
  const context = { client: "192.0.2.1", identity, timeoutMs: 15_000, attempt: 1, parentSpanId: undefined };
  const own = {
    ...others,
    "x-request-id": crypto.randomUUID(),
    "breakwater-context": writeEdgeContext(context),
    ...(body && { "content-digest": await contentDigest(body) }),
  };
  const at = path.indexOf("?");
  const target = {
    method,
    authority: AUTHORITY,
    path: at < 0 ? path : path.slice(0, at),
    query: at < 0 ? "" : path.slice(at),
  };
  const names = [...new Set([...Object.keys(own), "content-digest"])].filter((name) =>
    Object.hasOwn(own, name),
  );
  const fieldNames = names.filter((name) => FIELD_NAME.test(name));
  const query = target.query === "?" ? "" : target.query;
  return {
    ...own,
    ...(await signRequest(testKey("k", 0), { ...target, query }, own, {
      nowMs: Date.now() - ageMs,
      nonce: crypto.randomUUID(),
      names: fieldNames,
    })),
  };
};

const problem = z.object({ status: z.number(), title: z.string() });

const WAIT_MS = 20_000;

/** @throws Error without a response */
const send = (
  agent: Agent,
  port: number,
  path: string,
  method: string,
  headers: Record<string, string>,
  body?: Uint8Array,
) => {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const options = { host: "127.0.0.1", port, path, method, agent, headers, setHost: false, timeout: WAIT_MS };
  const sending = request(options, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("error", reject);
    response.on("end", () =>
      resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
    );
  });
  sending.on("timeout", () => sending.destroy(new Error("no response in time")));
  sending.on("error", reject).end(body);
  return promise;
};

const originInput = z.object({
  request: requestInput,
  by: z.enum(["the client", "the edge", "the edge for alice"]),
  /** Of the signature, milliseconds. */
  ageMs: z.number(),
  /** Whether the same bytes are sent again. */
  isRepeated: z.boolean(),
});

export const originRequests = defineTarget({
  name: "origin-requests",
  files: [
    "origin/middleware/validate.ts",
    "origin/middleware/verify-signature.ts",
    "origin/middleware/idempotency.ts",
    "origin/edge-api.ts",
    "contract/schemas.ts",
    "contract/admin.ts",
  ],
  schema: originInput,
  inputs: (seeds) =>
    fc.record({
      request: nearRequests(seeds.map((seed) => seed.request)),
      by: fc.oneof(
        { weight: 5, arbitrary: fc.constant("the edge for alice" as const) },
        fc.constantFrom("the client" as const, "the edge" as const),
      ),
      ageMs: fc.oneof({ weight: 12, arbitrary: fc.constant(0) }, fc.constantFrom(60_000, -60_000)),
      isRepeated: fc.oneof({ weight: 12, arbitrary: fc.constant(false) }, fc.constant(true)),
    }),
  start: async ({ origin }) => {
    const reading = readOriginConfiguration({
      ...origin?.environment,
      ORIGIN_AUTHORITIES: AUTHORITY,
      HOST: "127.0.0.1",
      PORT: "0",
      PRE_STOP: "0s",
      DRAIN_TIMEOUT: "1s",
    });
    if (!reading.ok) throw new Error(reading.message);
    const errors: string[] = [];
    const verify = ({ method, url }: RequestInput, status: number, text: string): void => {
      must(errors.length === 0, `the origin logged ${errors[0]?.slice(0, 600)}`);
      must(PLANNED.includes(status), `${method} ${url.slice(0, 80)}: ${status} ${text.slice(0, 200)}`);
      // Node's own 431 has no body.
      if (status >= 400 && status !== 431 && method !== "HEAD")
        must(problem.parse(JSON.parse(text)).status === status, "a problem of another status");
    };
    const log = createLog("error", undefined, {
      ...createLogOutput(),
      write: (line) => void errors.push(line),
    });
    const server = await startServer(reading.value, { log, output: createLogOutput() });
    await server.ready;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    return {
      run: async ({ request: input, by, ageMs, isRepeated }) => {
        const path = pathOf(input.url);
        const body = input.body === null ? undefined : new Uint8Array(Buffer.from(input.body, "latin1"));
        const fields = { host: AUTHORITY, ...fieldsOf(input) };
        const principal = by === "the edge for alice" ? "alice" : undefined;
        const headers =
          by === "the client"
            ? fields
            : { ...(await signedFields(input, path, fields, body, principal, ageMs)), host: AUTHORITY };
        errors.length = 0;
        const sent = { ...headers, ...(body && { "content-length": String(body.byteLength) }) };
        const ask = () => send(agent, server.port, path, input.method, sent, body);
        const first = await ask();
        for (const { status, body: text } of isRepeated ? [first, await ask()] : [first])
          verify(input, status, text);
      },
      stop: async () => {
        agent.destroy();
        await server.drain(true);
      },
    };
  },
});
