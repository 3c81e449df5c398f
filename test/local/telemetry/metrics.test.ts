import { spawnSync } from "node:child_process";
import { describe, expect, it, test } from "vitest";
import { isOnPath } from "../../../src/local/child-process.ts";
import { isToolRequired } from "../../support/required-tools.ts";
import { counter, gauge, histogram, metrics, startReceiver, type TestReceiver } from "./support/otlp.ts";

const OWN = 'job="breakwater-edge",instance="i"';

const exposed = async (receiver: TestReceiver): Promise<string[]> =>
  (await receiver.text("/metrics")).split("\n").filter(Boolean);

/** The samples of a metric, without their labels. */
const samples = async (receiver: TestReceiver, name: string): Promise<string[]> =>
  (await exposed(receiver)).filter((line) => line.startsWith(name)).map((line) => line.replace(/^.*\} /, ""));

const point = { count: "6", sum: 3.5, bucketCounts: ["1", "2", "3"], explicitBounds: [0.1, 1] };

describe("metrics", () => {
  it("have Prometheus names, each with its type and help once", async () => {
    const receiver = await startReceiver();
    const response = await receiver.send(
      "metrics",
      metrics([
        histogram("http.server.request.duration", point, { "http.route": "/products/:id" }),
        counter("edge.attempts", 3, { upstream: "a:1" }),
        counter("edge.attempts", 4, { upstream: "b:2" }),
        gauge("circuit_breaker.state", 1, { state: "open" }),
      ]),
    );
    expect([response.status, await response.json()]).toEqual([200, {}]);
    const route = 'http_route="/products/:id"';
    expect((await exposed(receiver)).sort()).toEqual(
      [
        "# HELP circuit_breaker_state description missing",
        "# TYPE circuit_breaker_state gauge",
        `circuit_breaker_state{state="open",${OWN}} 1`,
        "# HELP edge_attempts_total How many edge.attempts.",
        "# TYPE edge_attempts_total counter",
        `edge_attempts_total{upstream="a:1",${OWN}} 3`,
        `edge_attempts_total{upstream="b:2",${OWN}} 4`,
        "# HELP http_server_request_duration_seconds Duration of requests.",
        "# TYPE http_server_request_duration_seconds histogram",
        `http_server_request_duration_seconds_bucket{${route},${OWN},le="0.1"} 1`,
        `http_server_request_duration_seconds_bucket{${route},${OWN},le="1"} 3`,
        `http_server_request_duration_seconds_bucket{${route},${OWN},le="+Inf"} 6`,
        `http_server_request_duration_seconds_sum{${route},${OWN}} 3.5`,
        `http_server_request_duration_seconds_count{${route},${OWN}} 6`,
      ].sort(),
    );
  });

  it("are cumulative: the last values count", async () => {
    const receiver = await startReceiver();
    for (const number of [3, 4, 5]) {
      await receiver.send("metrics", metrics([counter("c", number), histogram("h", point)]));
    }
    expect(await samples(receiver, "c_total")).toEqual(["5"]);
    expect(await samples(receiver, "h_seconds")).toEqual(["6", "3.5", "1", "3", "6"]);
  });

  it("are separate for each instance and each set of attributes, in any order", async () => {
    const receiver = await startReceiver();
    const resource = (instance: string) => ({ "service.name": "edge", "service.instance.id": instance });
    await receiver.send("metrics", metrics([counter("c", 1, { a: "x", b: "y" })], resource("i")));
    await receiver.send("metrics", metrics([counter("c", 7, { a: "x", b: "y" })], resource("j")));
    await receiver.send("metrics", metrics([counter("c", 5, { b: "y", a: "x" })], resource("i")));
    await receiver.send("metrics", metrics([counter("c", 9)], { "service.name": "edge" }));
    expect((await samples(receiver, "c_total")).sort()).toEqual(["5", "7", "9"]);
  });

  it("without a value, or of another kind, are skipped", async () => {
    const receiver = await startReceiver();
    const summary = { name: "s", summary: { dataPoints: [{ count: "1", sum: 1 }] } };
    const none = { name: "none", gauge: { dataPoints: [{ timeUnixNano: "1", asDouble: null }] } };
    expect((await receiver.send("metrics", metrics([summary, none]))).status).toBe(200);
    expect([receiver.metrics.size, await receiver.text("/metrics")]).toEqual([0, ""]);
  });
});

test.skipIf(!isOnPath("promtool") && !isToolRequired("promtool"))(
  "Prometheus's own checker accepts the output, even with hostile values",
  async () => {
    const receiver = await startReceiver();
    const values = { 'a"b\n\\': 'a"} 1\nevil_total 2 \\', job: "other", control: "\u001b[31m\n\u2028 ü 🌊" };
    const odd = ["NaN", "Infinity", "-Infinity", 1e-300].map((asDouble, index) => ({
      asDouble,
      attributes: [{ key: "n", value: { intValue: index } }],
    }));
    const all = [
      histogram("http.server.request.duration", point, values),
      { ...counter("edge.attempts", 12, values), description: "a\nevil_total 2" },
      gauge("deep.sea", Number.MAX_VALUE, values),
      { name: "odd", description: "Odd numbers.", gauge: { dataPoints: odd } },
    ];
    await receiver.send("metrics", metrics(all, { "service.name": 'a"} 1\nevil_total 2 \\' }));
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
      input: await receiver.text("/metrics"),
      encoding: "utf8",
    });
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
    expect(await receiver.text("/metrics")).not.toMatch(/^evil/m);
  },
);
