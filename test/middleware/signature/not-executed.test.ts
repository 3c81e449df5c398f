import { describe, expect, test } from "vitest";
import { internalHeaders } from "../../../src/contract/internal-headers.ts";
import {
  isNotExecuted,
  NOT_EXECUTED_FIELDS,
  signNotExecuted,
} from "../../../src/middleware/signature/not-executed.ts";
import type { SigningKey } from "../../../src/middleware/signature/signing-keys.ts";
import { type Fields, signed, testKey } from "./signed-request.ts";

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
const isBelieved = (fields: Fields, { key = k1, to = request, status = 503 } = {}): Promise<boolean> =>
  isNotExecuted(key, to["signature"] ?? "", status, (name) => fields[name] ?? null);

describe("an origin's word that it has done nothing", () => {
  const answer = answered();

  test("covers the status, the word and the request's own signature, and names key, algorithm and purpose", () => {
    expect(answer["signature-input"]).toBe(
      'origin=("@status" "breakwater-not-executed" "signature";req)' +
        ';keyid="k1";alg="hmac-sha256";tag="breakwater"',
    );
  });

  test("signs the base of RFC 9421 over these", () => {
    const base = [
      '"@status": 503',
      '"breakwater-not-executed": ?1',
      `"signature";req: ${request["signature"]}`,
      `"@signature-params": ${answer["signature-input"]?.slice("origin=".length)}`,
    ].join("\n");
    const [, encoded = ""] = /^origin=:(.+):$/.exec(answer["signature"] ?? "") ?? [];
    expect(encoded).toBe(k1.mac(base));
  });

  test("is made of the fields that are for the edge alone, and of no other", () => {
    expect(Object.keys(answer).sort()).toEqual([...NOT_EXECUTED_FIELDS].sort());
  });

  test.for([429, 500, 503])("is believed with the status %i that it was signed with", async (status) => {
    expect(await isBelieved(sign([k1], request, status) ?? {}, { status })).toBe(true);
  });
});

describe("the word is not believed", () => {
  const answer = answered();

  test("with another status", async () => {
    expect(await isBelieved(answer, { status: 500 })).toBe(false);
  });

  test("for another attempt of the same request", async () => {
    expect(await isBelieved(answer, { to: retry })).toBe(false);
  });

  test("by a key of the same id and another secret", async () => {
    expect(await isBelieved(answered([testKey("k1", 9)]))).toBe(false);
  });

  test("by another key than the request was signed with", async () => {
    expect(await isBelieved(answered([k2], signed({ key: k2 })), { key: k1 })).toBe(false);
  });

  test.each(NOT_EXECUTED_FIELDS)("without its field %s", async (name) => {
    expect(await isBelieved({ ...answer, [name]: "" })).toBe(false);
    expect(
      await isBelieved(Object.fromEntries(Object.entries(answer).filter(([each]) => each !== name))),
    ).toBe(false);
  });

  test("where it is that something was done", async () => {
    expect(await isBelieved({ ...answer, [internalHeaders.notExecuted]: "?0" })).toBe(false);
  });

  test.for([
    ["the request's own fields sent back", () => ({ ...request, [internalHeaders.notExecuted]: "?1" })],
    ["the request's own MAC under its label", () => changed("signature", () => relabelled(request))],
    ["another label", () => changed("signature", (value) => value.replace("origin=", "edge="))],
    ["a second signature beside it", () => changed("signature", (value) => `${value}, ${value}`)],
    ["no bytes", () => changed("signature", () => "origin=::")],
    ["its two colons in one", () => changed("signature", () => "origin=:")],
    ["no base64", () => changed("signature", () => "origin=:****:")],
    ["a shortened MAC", () => changed("signature", (value) => `${value.slice(0, 20)}:`)],
    ["another MAC", () => changed("signature", (value) => value.replace(/:./, otherStart))],
    ["fewer components", () => changed("signature-input", (value) => value.replace('"@status" ', ""))],
    ["another key's id", () => changed("signature-input", (value) => value.replace("k1", "k2"))],
    ["another algorithm", () => changed("signature-input", (value) => value.replace("hmac-sha256", "none"))],
    [
      "another purpose",
      () => changed("signature-input", (value) => value.replace("breakwater", "elsewhere")),
    ],
    ["a parameter more", () => changed("signature-input", (value) => `${value};extra=1`)],
  ] as const)("with %s", async ([, fields]) => {
    expect(await isBelieved(fields())).toBe(false);
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
  test.each([k1, k2])("that has two keys signs with the one of the request", async (key) => {
    const to = signed({ key });
    expect(await isBelieved(answered([k1, k2], to), { key, to })).toBe(true);
  });

  test.each([[[k2]], [[]]])("says nothing without the request's key", (keys) => {
    expect(sign(keys)).toBeUndefined();
  });

  test.each(["signature", "signature-input"])("says nothing to a request without %s", (name) => {
    expect(sign([k1], { ...request, [name]: "" })).toBeUndefined();
    expect(
      sign([k1], Object.fromEntries(Object.entries(request).filter(([each]) => each !== name))),
    ).toBeUndefined();
  });

  test("says nothing to a request whose signature is not the edge's", () => {
    const signature = (request["signature"] ?? "").replace("edge=", "sig1=");
    expect(sign([k1], { ...request, signature })).toBeUndefined();
  });
});
