import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createAdmin, createProbes, createReadiness } from "../../../src/origin/lifecycle/readiness.ts";

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => void vi.useRealTimers());

const up = async (): Promise<void> => undefined;
const down = async (): Promise<void> => {
  throw new Error("refused");
};
const hanging = (): Promise<void> => new Promise(() => undefined);

describe("an origin", () => {
  test("is ready from its migrations until it drains", async () => {
    const readiness = createReadiness({}, Date.now);
    expect(await readiness.report()).toMatchObject({ ready: false, migrated: false, draining: false });
    readiness.migrated();
    expect(await readiness.report()).toMatchObject({ ready: true, migrated: true, draining: false });
    readiness.drain();
    expect(await readiness.report()).toMatchObject({ ready: false, migrated: true, draining: true });
  });

  test("reports a dependency that is down, and stays ready", async () => {
    const readiness = createReadiness({ database: down, redis: up }, Date.now);
    readiness.migrated();
    expect(await readiness.report()).toMatchObject({
      ready: true,
      dependencies: { database: "down", redis: "up" },
    });
  });

  test("reports within the kubelet's timeout of a second even if a dependency hangs", async () => {
    const readiness = createReadiness({ database: hanging, redis: up }, Date.now);
    readiness.migrated();
    const reported = vi.fn();
    void readiness.report().then(reported);
    await vi.advanceTimersByTimeAsync(700);
    expect(reported.mock.calls).toMatchObject([
      [{ ready: true, dependencies: { database: "down", redis: "up" } }],
    ]);
  });

  test("checks its dependencies at most once per second", async () => {
    const ping = vi.fn(up);
    const readiness = createReadiness({ database: ping }, Date.now);
    await Promise.all([readiness.report(), readiness.report(), readiness.report()]);
    vi.advanceTimersByTime(999);
    await readiness.report();
    expect(ping).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1);
    await readiness.report();
    expect(ping).toHaveBeenCalledTimes(2);
  });
});

describe("a probe", () => {
  const ready = { report: async () => ({ ready: true }) };
  const unready = { report: async () => ({ ready: false }) };

  test.each([
    ["/health", ready, 200],
    ["/health", unready, 200],
    ["/ready", ready, 200],
    ["/ready", unready, 503],
  ])("%s has its status and is not cached", async (path, readiness, status) => {
    const response = await createProbes(readiness).request(path);
    expect(response.status).toBe(status);
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  test("for metrics exists on the admin port alone, with its content type", async () => {
    const response = await createAdmin(ready, async () => "a 1\n").request("/metrics");
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await response.text()).toBe("a 1\n");
    expect((await createProbes(ready).request("/metrics")).status).toBe(404);
  });
});
