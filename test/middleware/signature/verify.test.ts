import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toBase64Url } from "../../../src/lib/encoding.ts";
import {
  COVERED_FIELDS,
  coveredFieldsWith,
  LIFETIME_S,
  REQUIRED_FIELDS,
} from "../../../src/middleware/signature/sign.ts";
import type { SigningKey } from "../../../src/middleware/signature/signing-keys.ts";
import { CLOCK_SKEW_S, type Refusal } from "../../../src/middleware/signature/verify.ts";
import {
  coveredFields,
  type Fields,
  NOW_MS,
  signed,
  target,
  testKey,
  verifierOf,
  without,
} from "./signed-request.ts";

const k1 = testKey("k1");
const CREATED_MS = Math.floor(NOW_MS / 1000) * 1000;

const verify = (fields: Fields, { to = target, nowMs = NOW_MS, verifier = verifierOf([k1]) } = {}) => {
  const verification = verifier(to, (name) => fields[name], nowMs);
  return verification.ok ? "accepted" : verification.reason;
};

/** The signed fields with a changed signature or input. */
const forged = (name: "signature" | "signature-input", change: (value: string) => string): Fields => {
  const fields = signed();
  return { ...fields, [name]: change(fields[name] ?? "") };
};

describe("a signed request", () => {
  test("is accepted", () => {
    expect(verify(signed())).toBe("accepted");
  });

  test("is accepted with any content", { timeout: 120_000 }, () => {
    const visible = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
    const request = fc.record({
      method: fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
      path: fc.webPath().map((path) => `/${path}`),
      query: fc.oneof(
        fc.constant(""),
        fc.webQueryParameters().map((query) => `?${query}`),
      ),
      required: fc.tuple(...REQUIRED_FIELDS.map((name) => fc.tuple(fc.constant(name), visible))),
      others: fc.dictionary(fc.constantFrom(...COVERED_FIELDS), visible),
      nonce: fc.uint8Array({ minLength: 12, maxLength: 48 }).map(toBase64Url),
    });
    fc.assert(
      fc.property(request, ({ method, path, query, required, others, nonce }) => {
        const to = { ...target, method, path, query };
        const fields = { ...others, ...Object.fromEntries(required) };
        expect(verify(signed({ to, fields, nonce }), { to })).toBe("accepted");
      }),
    );
  });

  test("is accepted with additional fields that no signature covers", () => {
    expect(verify({ ...signed(), "x-forwarded-for": "192.0.2.7", via: "1.1 ingress" })).toBe("accepted");
  });

  const OPTIONAL = COVERED_FIELDS.filter((name) => !REQUIRED_FIELDS.some((required) => required === name));
  test.each(OPTIONAL)("is accepted without %s", (name) => {
    expect(verify(signed({ fields: without(coveredFields, name) }))).toBe("accepted");
  });

  test.each(REQUIRED_FIELDS)("must have %s, even if the edge omits it", (name) => {
    expect(verify(signed({ fields: without(coveredFields, name) }))).toBe("uncovered");
    expect(verify(signed({ fields: { ...coveredFields, [name]: "" } }))).toBe("uncovered");
  });
});

describe("a covered field", () => {
  test("of the product is covered in these tests", () => {
    expect(Object.keys(coveredFields).sort()).toEqual([...COVERED_FIELDS].sort());
  });

  test.each(COVERED_FIELDS)("%s cannot be changed, removed or added", (name) => {
    expect(verify({ ...signed(), [name]: `${coveredFields[name]}x` })).toBe("mismatch");
    expect(verify(without(signed(), name))).toBe("uncovered");
    const fields = signed({ fields: without(coveredFields, name) });
    expect(verify({ ...fields, [name]: "added" })).toBe("uncovered");
  });

  test("cannot be exchanged with another", () => {
    const swapped = { "if-match": '"8"', "if-none-match": '"7"' };
    expect(verify({ ...signed(), ...swapped })).toBe("mismatch");
  });
});

describe("a field that a contract declares", () => {
  const names = coveredFieldsWith(["x-tenant"]);
  const verifier = verifierOf([k1], names);
  const withTenant = { ...coveredFields, "x-tenant": "blue" };

  test("is covered if the request has it", () => {
    const fields = signed({ fields: withTenant, names });
    expect(fields["signature-input"]).toContain('"x-tenant"');
    expect(verify(fields, { verifier })).toBe("accepted");
    expect(verify({ ...fields, "x-tenant": "red" }, { verifier })).toBe("mismatch");
  });

  test("cannot be added", () => {
    expect(verify({ ...signed(), "x-tenant": "red" }, { verifier })).toBe("uncovered");
  });

  test("may be covered although this origin no longer reads it", () => {
    expect(verify(signed({ fields: withTenant, names }))).toBe("accepted");
  });
});

describe("the target of a request", () => {
  test.each([
    ["method", { method: "PUT" }],
    ["case of the method", { method: "post" }],
    ["path", { path: "/v1/products" }],
    ["encoding of the path", { path: "/v1/order%73" }],
    ["trailing slash", { path: "/v1/orders/" }],
    ["query", { query: "?a=2" }],
    ["parameters", { query: "?a=1&b=2" }],
    ["presence of a query", { query: "" }],
    ["authority, even to another one of this origin", { authority: "origin.test" }],
    ["boundary of path and query", { path: "/v1/orders?a=1", query: "" }],
  ])("cannot change its %s", (_, change) => {
    expect(verify(signed(), { to: { ...target, ...change } })).toBe("mismatch");
  });

  test("must be this origin", () => {
    const to = { ...target, authority: "other.test" };
    expect(verify(signed({ to }), { to })).toBe("other_origin");
  });
});

describe("a signature", () => {
  test.each(["signature", "signature-input"])("is missing without its field %s", (name) => {
    expect(verify(without(signed(), name))).toBe("missing");
    expect(verify({ ...signed(), [name]: "" })).toBe("missing");
  });

  test.each<[string, Refusal, (input: string) => string]>([
    ["another label", "malformed", (input) => input.replace("edge=", "sig1=")],
    ["a second signature", "malformed", (input) => `${input}, ${input}`],
    ["no inner list", "malformed", (input) => input.replace(/\(.*\)/, "")],
    ["no creation time", "malformed", (input) => input.replace(/;created=\d+/, "")],
    [
      "a creation time that is not a number",
      "malformed",
      (input) => input.replace(/created=\d+/, "created=now"),
    ],
    ["a negative creation time", "malformed", (input) => input.replace("created=", "created=-")],
    ["no expiry", "malformed", (input) => input.replace(/;expires=\d+/, "")],
    ["no nonce", "malformed", (input) => input.replace(/;nonce="[^"]*"/, "")],
    [
      "a nonce too short to be random",
      "malformed",
      (input) => input.replace(/nonce="[^"]*"/, 'nonce="short"'),
    ],
    [
      "a nonce too long to store",
      "malformed",
      (input) => input.replace('nonce="', `nonce="${"A".repeat(64)}`),
    ],
    ["no key id", "malformed", (input) => input.replace(/;keyid="[^"]*"/, "")],
    ["another algorithm", "malformed", (input) => input.replace("hmac-sha256", "none")],
    ["another purpose", "malformed", (input) => input.replace('tag="breakwater"', 'tag="elsewhere"')],
    ["another order", "malformed", (input) => input.replace(/(;created=\d+)(;expires=\d+)/, "$2$1")],
    ["an additional parameter", "malformed", (input) => `${input};extra=1`],
    ["leading white space", "malformed", (input) => ` ${input}`],
    ["no method", "uncovered", (input) => input.replace('"@method" ', "")],
    ["no query", "uncovered", (input) => input.replace(' "@query"', "")],
    [
      "the target in another order",
      "uncovered",
      (input) => input.replace('"@method" "@authority"', '"@authority" "@method"'),
    ],
    ["another component first", "uncovered", (input) => input.replace("(", '("date" ')],
    ["a field twice", "uncovered", (input) => input.replace('"if-match"', '"if-match" "if-match"')],
    ["another derived component", "uncovered", (input) => input.replace('"if-match"', '"@status"')],
    ["a field that the request lacks", "uncovered", (input) => input.replace(")", ' "x-absent")')],
    ["a parameter of a component", "uncovered", (input) => input.replace('"if-match"', '"if-match";sf')],
    ["two spaces", "uncovered", (input) => input.replace('" "', '"  "')],
    ["a field in upper case", "uncovered", (input) => input.replace("if-match", "If-Match")],
    ["no components", "uncovered", (input) => input.replace(/\(.*\)/, "()")],
    ["a later creation", "mismatch", (input) => input.replace(/created=(\d+)/, "created=1800000001")],
    ["a later expiry", "mismatch", (input) => input.replace(/expires=(\d+)/, "expires=1900000000")],
    ["another nonce", "mismatch", (input) => input.replace('nonce="A', 'nonce="B')],
  ])("whose input has %s is rejected as %s", (_, reason, change) => {
    expect(verify(forged("signature-input", change))).toBe(reason);
  });

  test.each<[string, Refusal, (value: string) => string]>([
    ["another label", "malformed", (value) => value.replace("edge=", "sig1=")],
    ["no colons", "malformed", (value) => value.replaceAll(":", "")],
    ["an empty MAC", "malformed", () => "edge=::"],
    ["a MAC of an impossible length", "malformed", () => "edge=:AAAAA:"],
    ["a shortened MAC", "malformed", () => "edge=:AAAA:"],
    ["a MAC that is not base64", "malformed", () => "edge=:****:"],
    ["a second signature", "malformed", (value) => `${value}, ${value}`],
    ["another MAC", "mismatch", (value) => value.replace(/:./, (start) => (start === ":A" ? ":B" : ":A"))],
  ])("with %s is rejected as %s", (_, reason, change) => {
    expect(verify(forged("signature", change))).toBe(reason);
  });
});

describe("a key", () => {
  const k2 = testKey("k2", 2);

  test.each([k1, k2])("of two is accepted", (key) => {
    expect(verify(signed({ key }), { verifier: verifierOf([k1, k2]) })).toBe("accepted");
  });

  test.each<[string, SigningKey, Refusal]>([
    ["with an unknown id", testKey("k9"), "unknown_key"],
    ["with a known id and another secret", testKey("k1", 9), "mismatch"],
    ["with the id of the other key", testKey("k2", 1), "mismatch"],
  ])("%s is rejected", (_, key, reason) => {
    expect(verify(signed({ key }), { verifier: verifierOf([k1, k2]) })).toBe(reason);
  });

  test("that was removed is unknown", () => {
    expect(verify(signed({ key: k1 }), { verifier: verifierOf([k2]) })).toBe("unknown_key");
  });
});

describe("time", () => {
  const lastMs = CREATED_MS + (LIFETIME_S + CLOCK_SKEW_S) * 1000;
  const firstMs = CREATED_MS - CLOCK_SKEW_S * 1000;

  test.each([
    ["early, a millisecond before the skew allows it", firstMs - 1, "early"],
    ["accepted as soon as the skew allows it", firstMs, "accepted"],
    ["accepted until the end of its lifetime and the skew", lastMs, "accepted"],
    ["expired a millisecond later", lastMs + 1, "expired"],
  ])("a signature is %s", (_, nowMs, outcome) => {
    expect(verify(signed(), { nowMs })).toBe(outcome);
  });

  test("a nonce is rejected until the end of its signature's lifetime", () => {
    const verifier = verifierOf([k1]);
    expect(verify(signed(), { verifier, nowMs: firstMs })).toBe("accepted");
    expect(verify(signed(), { verifier, nowMs: firstMs })).toBe("replayed");
    expect(verify(signed(), { verifier, nowMs: lastMs })).toBe("replayed");
  });
});

test("a rejected request does not use up its nonce", () => {
  const verifier = verifierOf([k1]);
  expect(verify({ ...signed(), "if-match": '"9"' }, { verifier })).toBe("mismatch");
  expect(verify(signed(), { verifier })).toBe("accepted");
});

test("each attempt of a request is accepted once", () => {
  const verifier = verifierOf([k1]);
  expect(verify(signed(), { verifier })).toBe("accepted");
  expect(verify(signed({ nonce: "another-nonce-of-a-retry" }), { verifier })).toBe("accepted");
});
