import { describe, expect, test } from "vitest";
import { collectorAddress, readHeaderList } from "../../src/telemetry/collector.ts";

describe("a collector's address", () => {
  test.each([
    ["http://collector:4318", "http://collector:4318"],
    ["https://collector.example", "https://collector.example"],
    ["https://collector.example/otlp//", "https://collector.example/otlp"],
    ["http://[::1]:4318", "http://[::1]:4318"],
    ["http://collector:14317", "http://collector:14317"],
    ["http://collector:43170/4317", "http://collector:43170/4317"],
  ])("%s loses its trailing slashes", (text, url) => {
    expect(collectorAddress(text)).toEqual({ url, isCorrected: false });
  });

  test.each([
    ["http://collector:4317", "http://collector:4318"],
    ["https://collector.example:4317/otlp/", "https://collector.example:4318/otlp"],
    ["http://[::1]:4317/", "http://[::1]:4318"],
    ["http://collector:4318/v1/traces", "http://collector:4318"],
    ["https://collector.example/otlp/v1/metrics/", "https://collector.example/otlp"],
    ["https://collector.example/v1/logs", "https://collector.example"],
    ["https://collector.example/otlp?key=1", "https://collector.example/otlp"],
  ])("%s has gRPC's port, a signal's path or a query: it is corrected and reported", (text, url) => {
    expect(collectorAddress(text)).toEqual({ url, isCorrected: true });
  });
});

describe("the exporter's header fields", () => {
  test.each<[string, string, Readonly<Record<string, string>>]>([
    ["several fields", "api-key=abc,x-team=shop", { "api-key": "abc", "x-team": "shop" }],
    ["a percent-encoded value", "authorization=Bearer%20a%2Cb", { authorization: "Bearer a,b" }],
    ["spaces around names, values and commas", " a = b , c=d ", { a: "b", c: "d" }],
    ["an equals sign in a value", "authorization=Basic%20dTpw==", { authorization: "Basic dTpw==" }],
    ["a space in a value", "authorization=Bearer abc", { authorization: "Bearer abc" }],
    ["a name in upper case", "X-Team=Shop", { "x-team": "Shop" }],
    ["a repeated name, whose last value counts", "a=1,A=2", { a: "2" }],
  ])("can have %s", (_, text, headers) => {
    expect(readHeaderList(text)).toEqual(headers);
  });

  test.each([
    ["no field", ""],
    ["no value", "api-key="],
    ["no equals sign", "api-key"],
    ["no name", "=abc"],
    ["a space in a name", "api key=abc"],
    ["a colon, as in HTTP", "authorization: Bearer abc"],
    ["an invalid escape", "a=%zz"],
    ["invalid UTF-8", "a=%ff"],
    ["an encoded line end, which would begin another field", "a=b%0d%0ax-evil: 1"],
    ["a line end", "a=b\nc"],
    ["a NUL", "a=%00"],
    ["non-ASCII text", "a=%C3%BC"],
    ["a valid and an invalid field", "a=b,c"],
  ])("are rejected with %s", (_, text) => {
    expect(readHeaderList(text)).toBeUndefined();
  });
});
