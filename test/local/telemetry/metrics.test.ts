import { spawnSync } from "node:child_process";
import { describe, expect, it, test } from "vitest";
import { isOnPath } from "../../../src/local/child-process.ts";
import { isToolRequired } from "../../support/required-tools.ts";
import { counter, gauge, histogram, metrics, startReceiver, type TestReceiver } from "./support/otlp.ts";

const INSTANCE = 'instance="0b6b6a5e-3e39-4a5c-9a56-1f1d8f3d2a11",job="breakwater-edge"';

const exposed = async (receiver: TestReceiver): Promise<string[]> =>
  (await receiver.text("/metrics")).split("\n").slice(0, -1);

const requestDuration = histogram(
  "http.server.request.duration",
  {
    count: "6",
    sum: 3.5,
    bucketCounts: ["1", "2", "0", "3"],
    explicitBounds: [0.005, 0.1, 1],
    min: 0.001,
    max: 2,
  },
  { "http.request.method": "GET", "http.route": "/products/:id", "http.response.status_code": 200 },
);

describe("metrics", () => {
  it("have Prometheus names, each with its type and help once", async () => {
    const receiver = await startReceiver();
    const attempts = (upstream: string, number: number): object =>
      counter("edge.attempts", number, { upstream, cause: "first", outcome: "answered" });
    const response = await receiver.send(
      "metrics",
      metrics([
        requestDuration,
        attempts("a:1", 3),
        attempts("b:2", 4),
        gauge("circuit_breaker.state", 1, { state: "open" }),
      ]),
    );
    expect([response.status, await response.json()]).toEqual([200, {}]);
    const labels = `${INSTANCE},http_request_method="GET",http_response_status_code="200",http_route="/products/:id"`;
    expect(await exposed(receiver)).toEqual([
      "# HELP circuit_breaker_state circuit_breaker.state",
      "# TYPE circuit_breaker_state gauge",
      `circuit_breaker_state{${INSTANCE},state="open"} 1`,
      "# HELP edge_attempts_total How many edge.attempts.",
      "# TYPE edge_attempts_total counter",
      `edge_attempts_total{${INSTANCE},cause="first",outcome="answered",upstream="a:1"} 3`,
      `edge_attempts_total{${INSTANCE},cause="first",outcome="answered",upstream="b:2"} 4`,
      "# HELP http_server_request_duration_seconds Duration of requests.",
      "# TYPE http_server_request_duration_seconds histogram",
      `http_server_request_duration_seconds_bucket{${labels},le="0.005"} 1`,
      `http_server_request_duration_seconds_bucket{${labels},le="0.1"} 3`,
      `http_server_request_duration_seconds_bucket{${labels},le="1"} 3`,
      `http_server_request_duration_seconds_bucket{${labels},le="+Inf"} 6`,
      `http_server_request_duration_seconds_sum{${labels}} 3.5`,
      `http_server_request_duration_seconds_count{${labels}} 6`,
    ]);
  });

  it("are the last ones, separate for each instance", async () => {
    const receiver = await startReceiver();
    const of = (instance: string) => ({ "service.name": "edge", "service.instance.id": instance });
    for (const [instance, number] of [
      ["i", 1],
      ["j", 7],
      ["i", 5],
    ] as const) {
      await receiver.send("metrics", metrics([counter("c", number)], of(instance)));
    }
    await receiver.send("metrics", metrics([counter("c", 9)], { "service.name": "edge" }));
    expect((await exposed(receiver)).slice(2)).toEqual([
      'c_total{instance="i",job="edge"} 5',
      'c_total{instance="j",job="edge"} 7',
      'c_total{job="edge"} 9',
    ]);
  });

  it("with attributes that are too long are rejected", async () => {
    const receiver = await startReceiver();
    const response = await receiver.send("metrics", metrics([counter("a", 1, { a: "x".repeat(9_000) })]));
    expect(await response.json()).toMatchObject({ partialSuccess: { rejectedDataPoints: "1" } });
    expect(receiver.metrics.size).toBe(0);
  });

  it.each([
    ["http.server.request.duration", "s", "http_server_request_duration_seconds"],
    ["circuit_breaker.state_changes", "{change}", "circuit_breaker_state_changes"],
    ["wait_seconds", "s", "wait_seconds"],
    ["memory.used", "By", "memory_used_bytes"],
    ["memory.part", "1", "memory_part_ratio"],
    ["odd", "furlong", "odd_furlong"],
    ["a--b..c", "", "a_b_c"],
    ["2xx", "", "_2xx"],
    ["constructor", "constructor", "constructor"],
  ])("named %s in %s become %s", async (name, unit, expected) => {
    const receiver = await startReceiver();
    await receiver.send("metrics", metrics([{ ...gauge(name, 1), unit }]));
    expect((await exposed(receiver))[1]).toBe(`# TYPE ${expected} gauge`);
  });

  it("have labels with valid names, which do not replace the receiver's own", async () => {
    const receiver = await startReceiver();
    const values = { "1st": "x", "a..b": true, c: "", d: ["x"], job: "j", le: "0.1" };
    await receiver.send("metrics", metrics([counter("a", 1, values)]));
    expect((await exposed(receiver)).at(-1)).toBe(
      `a_total{${INSTANCE},a_b="true",d="[\\"x\\"]",exported_job="j",exported_le="0.1",key_1st="x"} 1`,
    );
  });

  it("cannot inject lines", async () => {
    const receiver = await startReceiver();
    const hostile = 'a"} 1\nevil_total 2 \\';
    const metric = {
      ...counter("my metric\nevil 1", 5, { [hostile]: hostile, job: "other", "": "x" }),
      description: hostile,
    };
    await receiver.send("metrics", metrics([metric], { "service.name": hostile }));
    expect(await exposed(receiver)).toEqual([
      '# HELP my_metric_evil_1_total a"} 1\\nevil_total 2 \\\\',
      "# TYPE my_metric_evil_1_total counter",
      'my_metric_evil_1_total{job="a\\"} 1\\nevil_total 2 \\\\",_="x",a_1_evil_total_2_="a\\"} 1\\nevil_total 2 \\\\",exported_job="other"} 5',
    ]);
  });

  it("are served as Prometheus's text format", async () => {
    const receiver = await startReceiver();
    await receiver.send("metrics", metrics([counter("a", 1)]));
    const response = await fetch(`${receiver.url}/metrics`);
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect((await response.text()).endsWith("\n")).toBe(true);
  });
});

test.skipIf(!isOnPath("promtool") && !isToolRequired("promtool"))(
  "Prometheus's own checker accepts the output, even with hostile names",
  async () => {
    const receiver = await startReceiver();
    const values = { 'a"b\n\\': "\u0000\u001b[31m\r\n\u2028\ud800 ü 🌊", "1": "x", le: "0.1" };
    await receiver.send(
      "metrics",
      metrics([
        requestDuration,
        counter("edge.attempts", 12, values),
        gauge("deep.sea", Number.MAX_VALUE, values),
        {
          name: "odd",
          gauge: {
            dataPoints: ["NaN", "Infinity", "-Infinity", 1e-300].map((asDouble, index) => ({
              asDouble,
              attributes: [{ key: "n", value: { intValue: index } }],
            })),
          },
        },
        histogram("lonely", { count: 2 }, values),
      ]),
    );
    expect((await exposed(receiver)).length).toBeGreaterThan(20);
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
      input: await receiver.text("/metrics"),
      encoding: "utf8",
    });
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
  },
);
