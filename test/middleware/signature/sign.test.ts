import { describe, expect, test } from "vitest";
import { signRequest } from "../../../src/middleware/signature/sign.ts";
import { NONCE, NOW_MS, target, testKey } from "./signed-request.ts";

const key = testKey("k1");
const headers = { "x-request-id": "r1", accept: "*/*" };
const fields = await signRequest(key, target, headers, { nowMs: NOW_MS, nonce: NONCE });

describe("signRequest", () => {
  test("names what it covers, its life in whole seconds, nonce, key, algorithm and purpose", () => {
    expect(fields["signature-input"]).toBe(
      'edge=("@method" "@authority" "@path" "@query" "x-request-id");created=1800000000;expires=1800000030' +
        `;nonce="${NONCE}";keyid="k1";alg="hmac-sha256";tag="breakwater"`,
    );
  });

  test("signs the base of the components and parameters that it names", () => {
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
