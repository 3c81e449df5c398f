import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toBase64Url } from "../../../src/lib/encoding.ts";
import {
  COVERED_FIELDS,
  coveredFieldsWith,
  LIFETIME_S,
  REQUIRED_FIELDS,
} from "../../../src/middleware/signature/sign.ts";
import { CLOCK_SKEW_S, type Refusal } from "../../../src/middleware/signature/verify.ts";
import { coveredFields, type Fields, NOW_MS, signed, target, testKey, verifierOf } from "./signed-request.ts";

const k1 = testKey("k1");
const CREATED_MS = Math.floor(NOW_MS / 1000) * 1000;

const verify = (fields: Fields, { to = target, nowMs = NOW_MS, verifier = verifierOf([k1]) } = {}) => {
  const verification = verifier(to, (name) => fields[name], nowMs);
  return verification.ok ? "accepted" : verification.reason;
};

const accepted = "accepted";
const refused = (reason: Refusal) => reason;

const without = (fields: Fields, name: string): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([each]) => each !== name));

/** The signed fields with one of the two that sign replaced. */
const forged = (name: "signature" | "signature-input", change: (value: string) => string): Fields => {
  const fields = signed();
  return { ...fields, [name]: change(fields[name] ?? "") };
};

describe("what the edge signed", () => {
  test("is accepted as it was sent", () => {
    expect(verify(signed())).toEqual(accepted);
  });

  test("is accepted whatever the request", { timeout: 120_000 }, () => {
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
        expect(verify(signed({ to, fields, nonce }), { to })).toEqual(accepted);
      }),
    );
  });

  test("may gain fields on its way that no signature covers", () => {
    expect(verify({ ...signed(), "x-forwarded-for": "192.0.2.7", via: "1.1 ingress" })).toEqual(accepted);
  });

  test.each(
    COVERED_FIELDS.filter((name) => !REQUIRED_FIELDS.some((required) => required === name)),
  )("needs no %s", (name) => {
    expect(verify(signed({ fields: without(coveredFields, name) }))).toEqual(accepted);
  });
});

describe("a covered field", () => {
  test("is covered in these tests, whichever it is", () => {
    expect(Object.keys(coveredFields).sort()).toEqual([...COVERED_FIELDS].sort());
  });

  test.each(COVERED_FIELDS)("%s cannot be changed", (name) => {
    expect(verify({ ...signed(), [name]: `${coveredFields[name]}x` })).toEqual(refused("mismatch"));
  });

  test.each(COVERED_FIELDS)("%s cannot be removed", (name) => {
    expect(verify(without(signed(), name))).toEqual(refused("uncovered"));
  });

  test.each(COVERED_FIELDS)("%s cannot be added", (name) => {
    const fields = signed({ fields: without(coveredFields, name) });
    expect(verify({ ...fields, [name]: "added" })).toEqual(refused("uncovered"));
  });

  test("cannot be exchanged with another", () => {
    const swapped = { "if-match": '"8"', "if-none-match": '"7"' };
    expect(verify({ ...signed(), ...swapped })).toEqual(refused("mismatch"));
  });
});

describe("a field that a contract declares", () => {
  const names = coveredFieldsWith(["x-tenant"]);
  const verifier = verifierOf([k1], names);
  const withTenant = { ...coveredFields, "x-tenant": "blue" };

  test("is covered where it is there", () => {
    const fields = signed({ fields: withTenant, names });
    expect(fields["signature-input"]).toContain('"x-tenant"');
    expect(verify(fields, { verifier })).toEqual(accepted);
    expect(verify({ ...signed({ fields: withTenant, names }), "x-tenant": "red" }, { verifier })).toEqual(
      refused("mismatch"),
    );
  });

  test("cannot be added on the way", () => {
    expect(verify({ ...signed(), "x-tenant": "red" }, { verifier })).toEqual(refused("uncovered"));
  });

  test("may be covered where this origin no longer reads it", () => {
    expect(verify(signed({ fields: withTenant, names }))).toEqual(accepted);
  });
});

describe("the list of what is covered", () => {
  const relisted = (change: (list: string) => string): Fields =>
    forged("signature-input", (value) => value.replace(/\([^)]*\)/, change));

  test.each<[string, (list: string) => string]>([
    ["without the method", (list) => list.replace('"@method" ', "")],
    [
      "with the target in another order",
      (list) => list.replace('"@method" "@authority"', '"@authority" "@method"'),
    ],
    ["with a field twice", (list) => list.replace('"if-match"', '"if-match" "if-match"')],
    ["with another derived component", (list) => list.replace('"if-match"', '"@status"')],
    ["with a field that is not there", (list) => list.replace(")", ' "x-absent")')],
    ["with a parameter of a component", (list) => list.replace('"if-match"', '"if-match";sf')],
    ["with two spaces", (list) => list.replace('" "', '"  "')],
    ["in capitals", (list) => list.replace("if-match", "If-Match")],
    ["of nothing", () => "()"],
  ])("%s is refused", (_, change) => {
    expect(verify(relisted(change))).toEqual(refused("uncovered"));
  });
});

describe("a required field", () => {
  test.each(REQUIRED_FIELDS)("%s cannot be left out, even by the edge", (name) => {
    expect(verify(signed({ fields: without(coveredFields, name) }))).toEqual(refused("uncovered"));
  });

  test.each(REQUIRED_FIELDS)("%s cannot be empty, even by the edge", (name) => {
    expect(verify(signed({ fields: { ...coveredFields, [name]: "" } }))).toEqual(refused("uncovered"));
  });
});

describe("what a request is for", () => {
  test.each([
    ["method", { method: "PUT" }],
    ["method's case", { method: "post" }],
    ["path", { path: "/v1/products" }],
    ["path's encoding", { path: "/v1/order%73" }],
    ["path by a slash", { path: "/v1/orders/" }],
    ["query", { query: "?a=2" }],
    ["query by a parameter", { query: "?a=1&b=2" }],
    ["query to none", { query: "" }],
    ["authority to another of this origin's own", { authority: "origin.test" }],
  ])("cannot change its %s", (_, change) => {
    expect(verify(signed(), { to: { ...target, ...change } })).toEqual(refused("mismatch"));
  });

  test("cannot move what it holds from the path to the query", () => {
    const to = { ...target, path: "/v1/orders?a=1", query: "" };
    expect(verify(signed(), { to })).toEqual(refused("mismatch"));
  });

  test("is refused by an origin that it does not name", () => {
    const to = { ...target, authority: "other.test" };
    expect(verify(signed({ to }), { to })).toEqual(refused("other_origin"));
  });
});

describe("a signature", () => {
  test.each(["signature", "signature-input"])("is missing without its field %s", (name) => {
    expect(verify(without(signed(), name))).toEqual(refused("missing"));
    expect(verify({ ...signed(), [name]: "" })).toEqual(refused("missing"));
  });

  test.each([
    ["another label", (value: string) => value.replace("edge=", "sig1=")],
    ["a second signature beside it", (value: string) => `${value}, ${value}`],
    ["no inner list", (value: string) => value.replace(/\(.*\)/, "")],
    ["no creation time", (value: string) => value.replace(/;created=\d+/, "")],
    ["a creation time that is no number", (value: string) => value.replace(/created=\d+/, "created=now")],
    ["a negative creation time", (value: string) => value.replace("created=", "created=-")],
    ["no expiry", (value: string) => value.replace(/;expires=\d+/, "")],
    ["no nonce", (value: string) => value.replace(/;nonce="[^"]*"/, "")],
    ["a nonce too short to be random", (value: string) => value.replace(/nonce="[^"]*"/, 'nonce="short"')],
    ["a nonce too long to be kept", (value: string) => value.replace('nonce="', `nonce="${"A".repeat(64)}`)],
    ["no key id", (value: string) => value.replace(/;keyid="[^"]*"/, "")],
    ["another algorithm", (value: string) => value.replace("hmac-sha256", "none")],
    ["another purpose", (value: string) => value.replace('tag="breakwater"', 'tag="elsewhere"')],
    [
      "another order of its parameters",
      (value: string) => value.replace(/(;created=\d+)(;expires=\d+)/, "$2$1"),
    ],
    ["a parameter more", (value: string) => `${value};extra=1`],
    ["white space about it", (value: string) => ` ${value}`],
  ])("is malformed where its input has %s", (_, change) => {
    expect(verify(forged("signature-input", change))).toEqual(refused("malformed"));
  });

  test.each([
    ["another label", (value: string) => value.replace("edge=", "sig1=")],
    ["no colons", (value: string) => value.replaceAll(":", "")],
    ["no bytes", () => "edge=::"],
    ["a length that no bytes have", () => "edge=:AAAAA:"],
    ["a shortened MAC", () => "edge=:AAAA:"],
    ["characters that are not base64", () => "edge=:****:"],
    ["a second signature beside it", (value: string) => `${value}, ${value}`],
  ])("is malformed where it has %s", (_, change) => {
    expect(verify(forged("signature", change))).toEqual(refused("malformed"));
  });

  test.each([
    ["fewer components", (value: string) => value.replace(' "@query"', "")],
    ["more components", (value: string) => value.replace("(", '("date" ')],
    [
      "components in another order",
      (value: string) => value.replace('"@method" "@authority"', '"@authority" "@method"'),
    ],
    ["no components", (value: string) => value.replace(/\(.*\)/, "()")],
  ])("covers the wrong things where its input names %s", (_, change) => {
    expect(verify(forged("signature-input", change))).toEqual(refused("uncovered"));
  });

  test.each([
    ["a later creation", (value: string) => value.replace(/created=(\d+)/, "created=1800000001")],
    ["a later expiry", (value: string) => value.replace(/expires=(\d+)/, "expires=1900000000")],
    ["another nonce", (value: string) => value.replace('nonce="A', 'nonce="B')],
  ])("does not fit %s", (_, change) => {
    expect(verify(forged("signature-input", change))).toEqual(refused("mismatch"));
  });

  test.each([
    ["another MAC", (value: string) => value.replace(/:./, (start) => (start === ":A" ? ":B" : ":A"))],
  ])("does not fit with %s", (_, change) => {
    expect(verify(forged("signature", change))).toEqual(refused("mismatch"));
  });
});

describe("a key", () => {
  test("is unknown by an id that the origin does not have", () => {
    expect(verify(signed({ key: testKey("k9") }))).toEqual(refused("unknown_key"));
  });

  test("does not pass with a known id and another secret", () => {
    expect(verify(signed({ key: testKey("k1", 2) }))).toEqual(refused("mismatch"));
  });

  test("does not pass under the id of the other key", () => {
    const verifier = verifierOf([k1, testKey("k2", 2)]);
    expect(verify(signed({ key: testKey("k2", 1) }), { verifier })).toEqual(refused("mismatch"));
  });

  test.each(["k1", "k2"])("%s is believed while both are there", (id) => {
    const keys = [testKey("k1", 1), testKey("k2", 2)] as const;
    const key = id === "k1" ? keys[0] : keys[1];
    expect(verify(signed({ key }), { verifier: verifierOf(keys) })).toEqual(accepted);
  });

  test("that was removed is unknown", () => {
    const verifier = verifierOf([testKey("k2", 2)]);
    expect(verify(signed({ key: k1 }), { verifier })).toEqual(refused("unknown_key"));
  });
});

describe("time", () => {
  const lastMs = CREATED_MS + (LIFETIME_S + CLOCK_SKEW_S) * 1000;
  const firstMs = CREATED_MS - CLOCK_SKEW_S * 1000;

  test.each([
    ["early, a millisecond before the skew allows it", firstMs - 1, refused("early")],
    ["accepted as soon as the skew allows it", firstMs, accepted],
    ["accepted up to the end of its life and the skew", lastMs, accepted],
    ["expired a millisecond later", lastMs + 1, refused("expired")],
  ])("a signature is %s", (_, nowMs, outcome) => {
    expect(verify(signed(), { nowMs })).toEqual(outcome);
  });
});

describe("a nonce", () => {
  test("is taken once", () => {
    const verifier = verifierOf([k1]);
    expect(verify(signed(), { verifier })).toEqual(accepted);
    expect(verify(signed(), { verifier })).toEqual(refused("replayed"));
  });

  test("is not taken again at the last moment at which its signature lives", () => {
    const verifier = verifierOf([k1]);
    const firstMs = CREATED_MS - CLOCK_SKEW_S * 1000;
    const lastMs = CREATED_MS + (LIFETIME_S + CLOCK_SKEW_S) * 1000;
    expect(verify(signed(), { verifier, nowMs: firstMs })).toEqual(accepted);
    expect(verify(signed(), { verifier, nowMs: lastMs })).toEqual(refused("replayed"));
  });

  test("is not used up by a request that was refused", () => {
    const verifier = verifierOf([k1]);
    expect(verify({ ...signed(), "if-match": '"9"' }, { verifier })).toEqual(refused("mismatch"));
    expect(verify(signed(), { verifier })).toEqual(accepted);
  });

  test("of another attempt is new", () => {
    const verifier = verifierOf([k1]);
    expect(verify(signed(), { verifier })).toEqual(accepted);
    expect(verify(signed({ nonce: "another-nonce-of-a-retry" }), { verifier })).toEqual(accepted);
  });
});
