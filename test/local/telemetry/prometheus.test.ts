import { describe, expect, it } from "vitest";
import { labelsOf, metricName } from "../../../src/local/telemetry/prometheus.ts";

describe("a metric's name", () => {
  it.each([
    ["http.server.request.duration", "s", "histogram", "http_server_request_duration_seconds"],
    ["http.client.request.duration", "s", "histogram", "http_client_request_duration_seconds"],
    ["circuit_breaker.state_changes", "{change}", "counter", "circuit_breaker_state_changes_total"],
    ["circuit_breaker.state", "", "gauge", "circuit_breaker_state"],
    ["requests_total", "", "counter", "requests_total"],
    ["total.requests", "", "counter", "requests_total"],
    ["wait_seconds", "s", "histogram", "wait_seconds"],
    ["process.cpu.time", "s", "counter", "process_cpu_time_seconds_total"],
    ["memory.used", "By", "gauge", "memory_used_bytes"],
    ["memory.part", "1", "gauge", "memory_part_ratio"],
    ["jobs.done", "1", "counter", "jobs_done_total"],
    ["odd", "furlong", "gauge", "odd_furlong"],
    ["a--b..c", "", "gauge", "a_b_c"],
    ["_lead_", "", "gauge", "lead"],
    ["2xx", "", "counter", "_2xx_total"],
    ["größe", "", "gauge", "gr_e"],
    ["constructor", "constructor", "gauge", "constructor"],
    ["…", "s", "gauge", undefined],
  ] as const)("%s in %s as a %s is %s", (name, unit, kind, expected) => {
    expect(metricName(name, unit, kind)).toBe(expected);
  });
});

describe("labels", () => {
  it.each([
    ["http.route", "http_route"],
    ["__name__", "_name_"],
    ["a..b", "a_b"],
    ["1st", "key_1st"],
    ["", "_"],
    ["ü", "_"],
  ])("of the attribute %j have the name %s", (key, name) => {
    expect(labelsOf({ [key]: "x" })).toEqual([[name, "x"]]);
  });

  it("are sorted texts, without empty ones", () => {
    expect(labelsOf({ b: 1.5, a: true, c: "", d: null, e: ["x", 1] })).toEqual([
      ["a", "true"],
      ["b", "1.5"],
      ["e", '["x",1]'],
    ]);
  });

  it("join the values of keys that become one name, and do not replace the receiver's own", () => {
    expect(labelsOf({ "a.b": "2", "a-b": "1", a_b: "3", job: "j", le: "0.1" })).toEqual([
      ["a_b", "1;2;3"],
      ["exported_job", "j"],
      ["exported_le", "0.1"],
    ]);
  });
});
