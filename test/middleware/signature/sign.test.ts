import { describe, expect, test } from "vitest";
import { fromBase64 } from "../../../src/lib/encoding.ts";
import { signRequest } from "../../../src/middleware/signature/sign.ts";
import { signatureBase } from "../../../src/middleware/signature/signature-base.ts";
import { NONCE, NOW_MS, target, testKey } from "./signed-request.ts";

const key = testKey("k1");
const headers = { "x-request-id": "r1", accept: "*/*" };
const fields = signRequest(key, target, headers, NOW_MS, NONCE);

describe("signRequest", () => {
  test("names what it covers, its life in whole seconds, nonce, key, algorithm and purpose", () => {
    expect(fields["signature-input"]).toBe(
      'edge=("@method" "@authority" "@path" "@query" "x-request-id");created=1800000000;expires=1800000030' +
        `;nonce="${NONCE}";keyid="k1";alg="hmac-sha256";tag="breakwater"`,
    );
  });

  test("signs the base of the components and parameters that it names", () => {
    const base = signatureBase(
      [
        ["@method", "POST"],
        ["@authority", "origin.test:8080"],
        ["@path", "/v1/orders"],
        ["@query", "?a=1"],
        ["x-request-id", "r1"],
      ],
      fields["signature-input"].slice("edge=".length),
    );
    const [, encoded = ""] = /^edge=:(.+):$/.exec(fields.signature) ?? [];
    expect(fromBase64(encoded)).toEqual(key.mac(base));
  });

  test("signs the same request differently for each attempt", () => {
    const again = signRequest(key, target, headers, NOW_MS, "another-nonce-of-a-retry");
    expect(again.signature).not.toBe(fields.signature);
  });
});
