import { describe, expect, test } from "vitest";
import { internalHeaders } from "../../../src/contract/internal-headers.ts";
import {
  isNotExecuted,
  NOT_EXECUTED_FIELDS,
  signNotExecuted,
} from "../../../src/middleware/signature/not-executed.ts";
import type { SigningKey } from "../../../src/middleware/signature/signing-keys.ts";
import { type Fields, signed, testKey, without } from "./signed-request.ts";

const k1 = testKey("k1");
const k2 = testKey("k2", 2);
const request = signed();
const retry = signed({ nonce: "another-nonce-of-a-retry" });

/** The origin's side. */
const sign = (keys: readonly SigningKey[] = [k1], to: Fields = request, status = 503): Fields | undefined =>
  signNotExecuted(keys, status, (name) => to[name]);

const answered = (keys?: readonly SigningKey[], to?: Fields): Fields => {
  const fields = sign(keys, to);
  if (fields === undefined) throw new Error("not signed");
  return fields;
};

/** The edge's side. */
const isValid = (fields: Fields, { key = k1, to = request, status = 503 } = {}): Promise<boolean> =>
  isNotExecuted(key, to["signature"] ?? "", status, (name) => fields[name] ?? null);

describe("the proof that a request was not executed", () => {
  const answer = answered();

  test("covers the status, the field and the request's signature", () => {
    expect(answer["signature-input"]).toBe(
      'origin=("@status" "breakwater-not-executed" "signature";req)' +
        ';keyid="k1";alg="hmac-sha256";tag="breakwater"',
    );
  });

  test("signs their base of RFC 9421", () => {
    const base = [
      '"@status": 503',
      '"breakwater-not-executed": ?1',
      `"signature";req: ${request["signature"]}`,
      `"@signature-params": ${answer["signature-input"]?.slice("origin=".length)}`,
    ].join("\n");
    const [, encoded = ""] = /^origin=:(.+):$/.exec(answer["signature"] ?? "") ?? [];
    expect(encoded).toBe(k1.mac(base));
  });

  test("consists of the fields that the edge removes", () => {
    expect(Object.keys(answer).sort()).toEqual([...NOT_EXECUTED_FIELDS].sort());
  });

  test.for([429, 500, 503])("is valid with the signed status %i", async (status) => {
    expect(await isValid(sign([k1], request, status) ?? {}, { status })).toBe(true);
  });
});

describe("the proof is invalid", () => {
  const answer = answered();

  test("with another status", async () => {
    expect(await isValid(answer, { status: 500 })).toBe(false);
  });

  test("for another attempt of the same request", async () => {
    expect(await isValid(answer, { to: retry })).toBe(false);
  });

  test("from a key with the same id and another secret", async () => {
    expect(await isValid(answered([testKey("k1", 9)]))).toBe(false);
  });

  test("from another key than the request's", async () => {
    expect(await isValid(answered([k2], signed({ key: k2 })), { key: k1 })).toBe(false);
  });

  test.each(NOT_EXECUTED_FIELDS)("without its field %s", async (name) => {
    expect(await isValid({ ...answer, [name]: "" })).toBe(false);
    expect(await isValid(without(answer, name))).toBe(false);
  });

  test("if the request was executed", async () => {
    expect(await isValid({ ...answer, [internalHeaders.notExecuted]: "?0" })).toBe(false);
  });

  test.for([
    ["the request's fields", () => ({ ...request, [internalHeaders.notExecuted]: "?1" })],
    ["the request's MAC under its label", () => changed("signature", () => relabelled(request))],
    ["another label", () => changed("signature", (value) => value.replace("origin=", "edge="))],
    ["a second signature", () => changed("signature", (value) => `${value}, ${value}`)],
    ["an empty MAC", () => changed("signature", () => "origin=::")],
    ["a single colon", () => changed("signature", () => "origin=:")],
    ["a MAC that is not base64", () => changed("signature", () => "origin=:****:")],
    ["a shortened MAC", () => changed("signature", (value) => `${value.slice(0, 20)}:`)],
    ["another MAC", () => changed("signature", (value) => value.replace(/:./, otherStart))],
    ["fewer components", () => changed("signature-input", (value) => value.replace('"@status" ', ""))],
    ["another key's id", () => changed("signature-input", (value) => value.replace("k1", "k2"))],
    ["another algorithm", () => changed("signature-input", (value) => value.replace("hmac-sha256", "none"))],
    [
      "another purpose",
      () => changed("signature-input", (value) => value.replace("breakwater", "elsewhere")),
    ],
    ["an additional parameter", () => changed("signature-input", (value) => `${value};extra=1`)],
  ] as const)("with %s", async ([, fields]) => {
    expect(await isValid(fields())).toBe(false);
  });

  const changed = (name: string, change: (value: string) => string): Fields => {
    const after = change(answer[name] ?? "");
    if (after === answer[name]) throw new Error("nothing was changed");
    return { ...answer, [name]: after };
  };
  const relabelled = (fields: Fields): string => (fields["signature"] ?? "").replace("edge=", "origin=");
  const otherStart = (start: string): string => (start === ":A" ? ":B" : ":A");
});

describe("an origin", () => {
  test.each([k1, k2])("with two keys signs with the request's", async (key) => {
    const to = signed({ key });
    expect(await isValid(answered([k1, k2], to), { key, to })).toBe(true);
  });

  test.each([[[k2]], [[]]])("signs nothing without the request's key", (keys) => {
    expect(sign(keys)).toBeUndefined();
  });

  test.each(["signature", "signature-input"])("signs nothing for a request without %s", (name) => {
    expect(sign([k1], { ...request, [name]: "" })).toBeUndefined();
    expect(sign([k1], without(request, name))).toBeUndefined();
  });

  test("signs nothing for a request whose signature is not the edge's", () => {
    const signature = (request["signature"] ?? "").replace("edge=", "sig1=");
    expect(sign([k1], { ...request, signature })).toBeUndefined();
  });
});
