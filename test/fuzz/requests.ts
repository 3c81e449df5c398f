/** Requests near valid ones of the contract: method, target, header fields and body each as valid, changed or hostile. */
import fc from "fast-check";
import * as z from "zod/mini";
import { nearTexts } from "./mutate.ts";
import { type Json, nearJson } from "./mutate-json.ts";

export const requestInput = z.object({
  method: z.string(),
  /** Path and query. */
  url: z.string(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  /** Each character is a byte. */
  body: z.nullable(z.string()),
});

export type RequestInput = z.output<typeof requestInput>;

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"];

/** Fields that the product reads, with words of their formats. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  accept: ["application/json", "text/html, */*;q=0.1", "application/vnd.a+json; version=2"],
  authorization: ["Bearer", "bearer ", "Basic YTpi"],
  "cache-control": ["no-cache", "max-age=0", "only-if-cached"],
  "content-encoding": ["gzip", "identity", "br"],
  "content-length": ["0", "5", "1e3", "-1"],
  "content-type": ["application/json", "application/json; charset=utf-16", "text/plain"],
  cookie: ["session=1"],
  expect: ["100-continue"],
  forwarded: ['for="[2001:db8::7]:80";proto=https'],
  "idempotency-key": ["8f14e45f-ceea-467f-a8e3-1d1f5d6c2b11", '"quoted"', '"'],
  "if-match": ['"1"', "*", 'W/"1"'],
  "if-none-match": ['"1"', "*", 'W/"1", "2"'],
  origin: ["https://shop.example.com", "null", "http://localhost:3000"],
  "access-control-request-method": ["POST", "GET"],
  "access-control-request-headers": ["authorization, content-type", "x-a"],
  range: ["bytes=0-1,5-"],
  traceparent: ["00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174-01", "ff-0-0-0"],
  baggage: ["a=b;c=d, e=%ff"],
  tracestate: ["a=b"],
  "user-agent": ["curl/8.0"],
  "x-forwarded-for": ["10.0.0.1, 192.0.2.7"],
  "cf-connecting-ip": ["192.0.2.7", "2001:db8::7", "::ffff:10.0.0.1"],
  "x-request-id": ["01900000-0000-7000-8000-000000000001"],
  "breakwater-context": [
    'client="10.0.0.1", auth=api-key, principal="root", scopes="", timeout-ms=9, attempt=1',
  ],
  "breakwater-explain": ["1"],
  signature: ["edge=:AAAA:"],
  "signature-input": ['edge=("@method");created=1'],
  "transfer-encoding": ["chunked", "gzip, chunked"],
};

/** Bytes that a field may have; others end a request, or have another meaning for each server. */
export const sendable = (text: string): string => text.replace(/[^\t\x20-\x7e\x80-\xff]/g, "?").trim();

const field = (own: readonly (readonly [string, string])[]): fc.Arbitrary<[string, string]> => {
  const valid: (readonly [string, string])[] = [
    ...own,
    ...Object.entries(FIELDS).flatMap(([name, values]) => values.map((value) => [name, value] as const)),
  ];
  return fc.oneof(
    {
      weight: 2,
      arbitrary: fc.constantFrom(...valid).map(([name, value]): [string, string] => [name, value]),
    },
    {
      weight: 3,
      arbitrary: fc
        .constantFrom(...valid)
        .chain(([name, value]) =>
          nearTexts([value], FIELDS[name] ?? []).map((text): [string, string] => [name, sendable(text)]),
        ),
    },
  );
};

const parsed = (text: string): Json | undefined => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const bytesOf = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

const bodies = (seed: string | null): fc.Arbitrary<string | null> => {
  const json = seed === null ? undefined : parsed(seed);
  const near = json === undefined ? nearTexts([seed ?? ""]) : nearJson([json]);
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(seed) },
    { weight: 6, arbitrary: near.map(bytesOf) },
    { weight: 1, arbitrary: nearTexts(["\x80", "\xff\xfe{}", "\xef\xbb\xbf{}"]).map(sendable) },
  );
};

/** @param seeds valid requests @param words of targets, besides the hostile ones */
export const nearRequests = (
  seeds: readonly RequestInput[],
  words: readonly string[] = [],
): fc.Arbitrary<RequestInput> =>
  fc.constantFrom(...seeds).chain((seed) =>
    fc.record({
      method: fc.oneof(
        { weight: 9, arbitrary: fc.constant(seed.method) },
        { weight: 1, arbitrary: fc.constantFrom(...METHODS) },
      ),
      url: fc.oneof(
        { weight: 3, arbitrary: fc.constant(seed.url) },
        { weight: 2, arbitrary: nearTexts([seed.url], ["&limit=", "?cursor=", "&q=", "%00", ...words]) },
      ),
      headers: fc
        .tuple(fc.array(field(seed.headers), { maxLength: 4 }), fc.nat({ max: 9 }))
        .map(([changed, removed]) => [...seed.headers.filter((_, index) => index !== removed), ...changed]),
      body: bodies(seed.body),
    }),
  );

/** Of a request whose client has sent anything, while database and Redis are up. */
export const PLANNED: readonly number[] = [
  200, 201, 204, 304, 400, 401, 403, 404, 405, 406, 408, 409, 412, 413, 414, 415, 417, 422, 428, 429, 431,
];
