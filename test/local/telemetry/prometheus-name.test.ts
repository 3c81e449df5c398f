import { describe, expect, it } from "vitest";
import { labelName, labelsOf, metricName } from "../../../src/local/telemetry/prometheus-name.ts";

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
    ["disk.io", "By/s", "gauge", "disk_io_bytes_per_second"],
    ["queue", "{item}/s", "gauge", "queue_per_second"],
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

describe("a label's name", () => {
  it.each([
    ["http.route", "http_route"],
    ["__name__", "_name_"],
    ["a..b", "a_b"],
    ["1st", "key_1st"],
    ["", "_"],
    ["ü", "_"],
  ])("%s is %s", (key, name) => {
    expect(labelName(key)).toBe(name);
  });
});

describe("labels", () => {
  const own = new Set(["job", "le"]);

  it("are sorted, of texts, without those that are empty", () => {
    expect(labelsOf({ b: 1.5, a: true, c: "", d: null, e: ["x", 1] }, own)).toEqual([
      ["a", "true"],
      ["b", "1.5"],
      ["e", '["x",1]'],
    ]);
  });

  it("share a name that their keys become, and leave the receiver's own alone", () => {
    expect(labelsOf({ "a.b": "2", "a-b": "1", a_b: "3", job: "j", le: "0.1" }, own)).toEqual([
      ["a_b", "1;2;3"],
      ["exported_job", "j"],
      ["exported_le", "0.1"],
    ]);
  });
});
