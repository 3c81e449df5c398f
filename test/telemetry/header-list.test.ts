import { describe, expect, test } from "vitest";
import { readHeaderList } from "../../src/telemetry/collector.ts";

describe("header fields of an exporter", () => {
  test.each<[string, string, Readonly<Record<string, string>>]>([
    ["one", "api-key=abc", { "api-key": "abc" }],
    ["several", "api-key=abc,x-team=shop", { "api-key": "abc", "x-team": "shop" }],
    ["a value that is percent-encoded", "authorization=Bearer%20a%2Cb", { authorization: "Bearer a,b" }],
    ["space around names, values and commas", " a = b , c=d ", { a: "b", c: "d" }],
    ["an equals sign in a value", "authorization=Basic%20dTpw==", { authorization: "Basic dTpw==" }],
    ["space within a value", "authorization=Bearer abc", { authorization: "Bearer abc" }],
    ["a name in upper case", "X-Team=Shop", { "x-team": "Shop" }],
    ["a name twice: the later one counts", "a=1,A=2", { a: "2" }],
  ])("are read: %s", (_, text, headers) => {
    expect(readHeaderList(text)).toEqual(headers);
  });

  test.each([
    ["nothing", ""],
    ["no value", "api-key="],
    ["no equals sign", "api-key"],
    ["no name", "=abc"],
    ["a space within a name", "api key=abc"],
    ["a colon, as in a header of HTTP", "authorization: Bearer abc"],
    ["an encoding that is none", "a=%zz"],
    ["an encoding that is no UTF-8", "a=%ff"],
    ["a line end, which would begin another field", "a=b%0d%0ax-evil: 1"],
    ["a line end as it is", "a=b\nc"],
    ["a NUL", "a=%00"],
    ["what has no one form on the wire", "a=%C3%BC"],
    ["one that is right and one that is not", "a=b,c"],
  ])("are refused altogether where one is %s", (_, text) => {
    expect(readHeaderList(text)).toBeUndefined();
  });
});
