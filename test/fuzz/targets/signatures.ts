/** What the tiers sign for each other: requests, their context, proofs; and the keys for it. */
import fc from "fast-check";
import * as z from "zod/mini";
import { internalHeaders } from "../../../src/contract/internal-headers.ts";
import { clientIdentities } from "../../../src/middleware/context/client.ts";
import { readEdgeContext, writeEdgeContext } from "../../../src/middleware/signature/edge-context.ts";
import { isNotExecuted, signNotExecuted } from "../../../src/middleware/signature/not-executed.ts";
import { parseSigningKeys, webCryptoHmac } from "../../../src/middleware/signature/signing-keys.ts";
import { nodeHmac } from "../../../src/origin/config/hmac.ts";
import { NOW_MS, signed, target, testKey, verifierOf } from "../../middleware/signature/signed-request.ts";
import { nearTexts } from "../mutate.ts";
import { defineTarget, must, mustEqual } from "../target.ts";

export const edgeContexts = defineTarget({
  name: "edge-contexts",
  files: ["middleware/signature/edge-context.ts"],
  schema: z.string(),
  inputs: (seeds) =>
    nearTexts(seeds, [", ", 'client="', "auth=none", "auth=jwt", 'principal="', "attempt=", "timeout-ms="]),
  start: () => {
    const identify = clientIdentities(1_000);
    return {
      run: (field) => {
        const context = readEdgeContext(field, identify);
        if (context === undefined) return;
        must(context.timeoutMs >= 0 && context.attempt >= 1, "numbers out of bounds");
        const written = writeEdgeContext({ ...context, client: context.client.name });
        mustEqual(readEdgeContext(written, identify), context, "a context written and read");
      },
    };
  },
});

const signedInput = z.object({
  /** Fields whose values differ from those of the valid request. */
  changes: z.record(z.string(), z.string()),
  target: z.object({ method: z.string(), authority: z.string(), path: z.string(), query: z.string() }),
  laterMs: z.number(),
});

export const signatures = defineTarget({
  name: "signatures",
  files: ["middleware/signature/verify.ts", "middleware/signature/sign.ts"],
  schema: signedInput,
  inputs: () => {
    const valid: Readonly<Record<string, string>> = signed();
    const change = fc
      .constantFrom(...Object.keys(valid), "x-other", "signature", "signature-input", "signature-input")
      .chain((name) =>
        nearTexts([valid[name] ?? ""], ['"@path"', ";created=", ";tag=", "edge=:", ":"]).map(
          (value) => [name, value] as const,
        ),
      );
    const part = (value: string) =>
      fc.oneof({ weight: 8, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: nearTexts([value]) });
    return fc.record({
      changes: fc.array(change, { maxLength: 2 }).map((list) => Object.fromEntries(list)),
      target: fc.record({
        method: part(target.method),
        authority: part(target.authority),
        path: part(target.path),
        query: part(target.query),
      }),
      laterMs: fc.oneof(
        { weight: 5, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: -100_000, max: 100_000 }) },
      ),
    });
  },
  start: () => {
    const key = testKey("k1");
    return {
      run: ({ changes, target: to, laterMs }) => {
        const verify = verifierOf([testKey("k0", 7), key]);
        const valid = signed();
        const fields: Readonly<Record<string, string>> = { ...valid, ...changes };
        const result = verify(to, (name) => fields[name], NOW_MS + laterMs);
        if (!result.ok) {
          must(verify(target, (name) => valid[name], NOW_MS).ok, "a valid request that is rejected");
          must(!verify(target, (name) => valid[name], NOW_MS).ok, "a replay");
          return;
        }
        const covered = Object.keys(valid).filter((name) => fields[name]?.trim() !== valid[name]?.trim());
        mustEqual(covered, [], "a changed field of a signed request");
        mustEqual({ ...to, query: to.query || "?" }, target, "another target of a signed request");
        must(Math.abs(laterMs) < 40_000, "a signature of another time");
        must(!verify(to, (name) => fields[name], NOW_MS + laterMs).ok, "a replay");
      },
    };
  },
});

const proofInput = z.object({
  request: z.object({ signature: z.string(), input: z.string() }),
  response: z.object({ signature: z.string(), input: z.string(), field: z.string() }),
  /** Parts of the valid proof that are replaced by the response's. */
  replaced: z.array(z.enum(["signature", "input", "field"])),
  status: z.number(),
});

export const proofs = defineTarget({
  name: "proofs",
  files: ["middleware/signature/not-executed.ts"],
  schema: proofInput,
  inputs: () => {
    const { signature = "", "signature-input": input = "" } = signed();
    const proof =
      signNotExecuted([testKey("k1")], 503, (name) => ({ signature, "signature-input": input })[name]) ?? {};
    const near = (text: string | undefined) => nearTexts([text ?? ""], ["origin=:", "?1", ";keyid="]);
    return fc.record({
      request: fc.record({
        signature: fc.oneof(fc.constant(signature), near(signature)),
        input: fc.oneof(fc.constant(input), near(input)),
      }),
      response: fc.record({
        signature: near(proof["signature"]),
        input: near(proof["signature-input"]),
        field: near("?1"),
      }),
      replaced: fc.subarray(["signature", "input", "field"] as const),
      status: fc.constantFrom(503, 503, 401, 200),
    });
  },
  start: () => {
    const key = testKey("k1");
    return {
      run: async ({ request, response, replaced, status }) => {
        const sent: Readonly<Record<string, string>> = {
          signature: request.signature,
          "signature-input": request.input,
        };
        const proof = signNotExecuted([testKey("k0", 7), key], 503, (name) => sent[name]);
        const fields: Record<string, string> = { ...proof };
        if (replaced.includes("signature")) fields["signature"] = response.signature;
        if (replaced.includes("input")) fields["signature-input"] = response.input;
        if (replaced.includes("field")) fields[internalHeaders.notExecuted] = response.field;
        const isProven = await isNotExecuted(key, request.signature, status, (name) => fields[name] ?? null);
        const isSame =
          proof !== undefined && Object.entries(proof).every(([name, value]) => fields[name] === value);
        const ownKey = proof?.["signature-input"]?.includes(`keyid="${key.id}"`) === true;
        mustEqual(isProven, isSame && ownKey && status === 503, "a proof");
      },
    };
  },
});

export const signingKeys = defineTarget({
  name: "signing-keys",
  files: ["middleware/signature/signing-keys.ts"],
  schema: z.string(),
  inputs: (seeds) => nearTexts(seeds, ["k:", ",", "=", "=="]),
  start: () => ({
    run: async (text) => {
      const keys = parseSigningKeys(text, nodeHmac);
      const others = parseSigningKeys(text, webCryptoHmac);
      mustEqual(
        keys?.map(({ id }) => id),
        others?.map(({ id }) => id),
        "the keys of both tiers",
      );
      if (keys === undefined || others === undefined) return;
      must(keys.length <= 2, "three keys");
      mustEqual(keys[0].mac("a"), await others[0].mac("a"), "the signatures of both tiers");
    },
  }),
});
