import { describe, expect, test } from "vitest";
import {
  COVERED_FIELDS,
  contentDigest,
  REQUIRED_FIELDS,
  signatureBase,
  signRequest,
} from "../../../src/middleware/signature/sign.ts";
import { nodeHmac } from "../../../src/origin/config/hmac.ts";
import { NONCE, NOW_MS, target, testKey } from "./signed-request.ts";

const key = testKey("k1");
const headers = { "x-request-id": "r1", accept: "*/*" };
const fields = await signRequest(key, target, headers, { nowMs: NOW_MS, nonce: NONCE });

describe("signRequest", () => {
  test("states the covered components, lifetime, nonce, key, algorithm and purpose", () => {
    expect(fields["signature-input"]).toBe(
      'edge=("@method" "@authority" "@path" "@query" "x-request-id");created=1800000000;expires=1800000030' +
        `;nonce="${NONCE}";keyid="k1";alg="hmac-sha256";tag="breakwater"`,
    );
  });

  test("signs the base of these components and parameters", () => {
    const base = [
      '"@method": POST',
      '"@authority": origin.test:8080',
      '"@path": /v1/orders',
      '"@query": ?a=1',
      '"x-request-id": r1',
      `"@signature-params": ${fields["signature-input"].slice("edge=".length)}`,
    ].join("\n");
    const [, encoded = ""] = /^edge=:(.+):$/.exec(fields.signature) ?? [];
    expect(encoded).toBe(key.mac(base));
  });

  test("signs the same request differently for each attempt", async () => {
    const nonce = "another-nonce-of-a-retry";
    const again = await signRequest(key, target, headers, { nowMs: NOW_MS, nonce });
    expect(again.signature).not.toBe(fields.signature);
  });
});

describe("the signature base", () => {
  const values: Readonly<Record<string, string>> = { "if-match": ' "1"\t', "if-none-match": "" };
  const base = (names: readonly string[], query = "") =>
    signatureBase({ ...target, query }, names, (name) => values[name], "();created=1");

  test.each([
    ["an absent query as an empty one", [], '"@query": ?\n'],
    ["a value without the white space around it", ["if-match"], '\n"if-match": "1"\n'],
    ["an empty field", ["if-none-match"], '\n"if-none-match": \n'],
  ])("has %s", (_, names, line) => {
    expect(base(names)).toContain(line);
  });

  test("is undefined if the request lacks a field", () => {
    expect(base(["if-match", "x-absent"])).toBeUndefined();
  });
});

test("every required field is covered", () => {
  expect(COVERED_FIELDS).toEqual(expect.arrayContaining([...REQUIRED_FIELDS]));
});

test("a key's MAC of a base is the signature in RFC 9421 Appendix B.2.5", () => {
  const secret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
  const mac = nodeHmac(new Uint8Array(Buffer.from(secret, "base64")))(
    [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@authority": example.com',
      '"content-type": application/json',
      '"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    ].join("\n"),
  );
  expect(mac).toBe("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");
});

test.each([
  ["RFC 9530 Appendix B.1", '{"hello": "world"}\n', "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="],
  ["RFC 9421 Appendix B.2", '{"hello": "world"}', "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="],
  ["the empty string (FIPS 180-4)", "", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="],
])("the digest of %s is the published one", async (_, body, digest) => {
  expect(await contentDigest(new TextEncoder().encode(body))).toBe(`sha-256=:${digest}:`);
});
