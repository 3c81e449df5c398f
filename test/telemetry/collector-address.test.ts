import { describe, expect, test } from "vitest";
import { collectorAddress } from "../../src/telemetry/collector.ts";

describe("a collector's address", () => {
  test.each([
    ["http://collector:4318", "http://collector:4318"],
    ["http://collector:4318/", "http://collector:4318"],
    ["https://collector.example", "https://collector.example"],
    ["https://collector.example/otlp//", "https://collector.example/otlp"],
    ["http://[::1]:4318", "http://[::1]:4318"],
    ["http://collector:14317", "http://collector:14317"],
    ["http://collector:43170/4317", "http://collector:43170/4317"],
  ])("%s is used without a slash at its end", (text, url) => {
    expect(collectorAddress(text)).toEqual({ url, isOtherPort: false });
  });

  test.each([
    ["http://collector:4317", "http://collector:4318"],
    ["https://collector.example:4317/otlp/", "https://collector.example:4318/otlp"],
    ["http://[::1]:4317/", "http://[::1]:4318"],
  ])("%s has the port of gRPC: that of HTTP is used, and it is told", (text, url) => {
    expect(collectorAddress(text)).toEqual({ url, isOtherPort: true });
  });

  test("that is none is an error", () => {
    expect(() => collectorAddress("no address")).toThrow(TypeError);
  });
});
