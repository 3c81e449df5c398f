import { exportJWK, generateKeyPair, type JWK } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import type { TokenAlgorithm } from "../../../../src/middleware/auth/jwt/algorithms.ts";
import { keysFor, readKeySet } from "../../../../src/middleware/auth/jwt/key-set.ts";
import { base64Url, issuerKey } from "./issuer.ts";

const ALL: readonly TokenAlgorithm[] = ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"];

let ec: JWK;
let rsa: JWK;
let ed: JWK;
let privateEc: JWK;

beforeAll(async () => {
  ec = (await issuerKey("ES256", "ec")).jwk;
  rsa = (await issuerKey("RS256", "rsa")).jwk;
  ed = (await issuerKey("EdDSA", "ed")).jwk;
  privateEc = await exportJWK((await generateKeyPair("ES256", { extractable: true })).privateKey);
});

const read = async (keys: readonly unknown[], algorithms = ALL): Promise<string[] | undefined> =>
  (await readKeySet({ keys }, algorithms))?.map(({ kid, algorithm }) => `${kid} ${algorithm}`);

test("a key is one for each algorithm that is taken and fits it", async () => {
  expect(await read([ec, rsa, ed])).toEqual(["ec ES256", "rsa RS256", "rsa PS256", "ed EdDSA", "ed Ed25519"]);
  expect(await read([ec, rsa, ed], ["RS256"])).toEqual(["rsa RS256"]);
});

test("a key that names its algorithm is for that alone", async () => {
  expect(await read([{ ...rsa, alg: "PS256" }])).toEqual(["rsa PS256"]);
  expect(await read([{ ...rsa, alg: "RS512" }])).toEqual([]);
  expect(await read([{ ...ec, alg: "RS256" }])).toEqual([]);
  expect(await read([{ ...ec, alg: "HS256" }])).toEqual([]);
});

test.each(["EdDSA", "Ed25519"])("a key that is said to be for %s is for both of the names", async (alg) => {
  expect(await read([{ ...ed, alg }])).toEqual(["ed EdDSA", "ed Ed25519"]);
  expect(await read([{ ...ed, alg }], ["EdDSA"])).toEqual(["ed EdDSA"]);
  expect(await read([{ ...ed, alg }], ["Ed25519"])).toEqual(["ed Ed25519"]);
  expect(await read([{ ...ec, alg }])).toEqual([]);
});

test.each([
  "Ed448",
  "ES256",
  "eddsa",
  ["EdDSA"],
  null,
  "",
])("a key of Ed25519 that is said to be for %j is for neither of its names", async (alg) => {
  expect(await read([{ ...ed, alg }])).toEqual([]);
});

describe("left out is", () => {
  test.each<[string, () => unknown]>([
    ["a key for encryption", () => ({ ...ec, use: "enc" })],
    ["a key that is for no verification", () => ({ ...ec, key_ops: ["encrypt"] })],
    ["a key with operations that are no list", () => ({ ...ec, key_ops: "verify" })],
    ["a private key", () => privateEc],
    ["a key with a private part that is empty", () => ({ ...ec, d: "" })],
    ["a private RSA key", () => ({ ...rsa, p: "AQ" })],
    ["a symmetric key", () => ({ kty: "oct", k: base64Url("secret"), kid: "oct" })],
    ["a symmetric key that calls itself another", () => ({ ...ec, k: base64Url("secret") })],
    ["another curve", () => ({ ...ec, crv: "P-384" })],
    ["a key for agreement", () => ({ ...ed, crv: "X25519" })],
    ["a point that is on no curve", () => ({ ...ec, x: ec.y, y: ec.x })],
    ["a key with a part missing", () => ({ kty: "EC", crv: "P-256", x: ec.x })],
    ["a part that is no text", () => ({ ...ec, x: 1 })],
    ["a part that is no base64", () => ({ ...ec, x: "***" })],
    ["an RSA modulus of 1,024 bits", () => ({ ...rsa, n: base64Url(new Uint8Array(128).fill(0xff)) })],
    ["another kind of key", () => ({ ...ec, kty: "XYZ" })],
    ["a key of the prototype's kind", () => ({ ...ec, kty: "__proto__" })],
    ["what is no object", () => "key"],
    ["nothing", () => null],
  ])("%s, and the others stay", async (_, jwk) => {
    expect(await read([jwk(), ed])).toEqual(["ed EdDSA", "ed Ed25519"]);
  });
});

test("what is said of a key's use and its certificate is no part of it", async () => {
  const jwk = {
    ...ec,
    use: "sig",
    key_ops: ["verify"],
    ext: "no",
    x5c: ["garbage"],
    x5u: "http://evil.example",
  };
  expect(await read([jwk])).toEqual(["ec ES256"]);
});

test("a name that is none leaves the key without one", async () => {
  expect(await read([{ ...ec, kid: 7 }])).toEqual(["undefined ES256"]);
});

test("more than 32 keys are not looked at", async () => {
  const many = Array.from({ length: 40 }, (_, index) => ({ ...ec, kid: `k${index}` }));
  const keys = await read([{ kty: "oct", k: "AA" }, ...many]);
  expect(keys).toHaveLength(32);
  expect(keys?.at(-1)).toBe("k31 ES256");
});

test.each([
  undefined,
  null,
  "text",
  7,
  [],
  {},
  { keys: {} },
  { keys: "a" },
  [{ keys: [] }],
])("%j is no set", async (document) => {
  expect(await readKeySet(document, ALL)).toBeUndefined();
});

test("a set may be empty", async () => {
  expect(await readKeySet({ keys: [] }, ALL)).toEqual([]);
});

test("a key is found by its name and its algorithm; without a name every one that fits might be it", async () => {
  const keys = (await readKeySet({ keys: [ec, rsa, { ...ec, kid: "ec2" }] }, ALL)) ?? [];
  const found = (algorithm: TokenAlgorithm, kid?: string) =>
    keysFor(keys, algorithm, kid).map((key) => key.kid);
  expect(found("ES256", "ec")).toEqual(["ec"]);
  expect(found("RS256", "ec")).toEqual([]);
  expect(found("ES256", "unknown")).toEqual([]);
  expect(found("ES256")).toEqual(["ec", "ec2"]);
  expect(found("PS256")).toEqual(["rsa"]);
});
