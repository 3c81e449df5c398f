import { expect, test } from "vitest";
import { contentDigest } from "../../../src/middleware/signature/sign.ts";

test.each([
  ["RFC 9530 Appendix B.1", '{"hello": "world"}\n', "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="],
  ["RFC 9421 Appendix B.2", '{"hello": "world"}', "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="],
  ["the empty string (FIPS 180-4)", "", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="],
])("the digest of %s is the published one", async (_, body, digest) => {
  expect(await contentDigest(new TextEncoder().encode(body))).toBe(`sha-256=:${digest}:`);
});
