import { expect, onTestFinished, test } from "vitest";
import { startDoor } from "../../../src/local/door.ts";
import { createFaults, doorFaults, type Fault, momentaryFault } from "../../../src/local/faults/faults.ts";
import { createLoad } from "../../../src/local/faults/load.ts";
import { startSiem } from "../../../src/local/faults/siem.ts";
import { serve } from "../../support/listen.ts";

const fault = (name: string, done: string[], fails = false): Fault => ({
  ...{ name, title: name, node: "redis", isMomentary: false },
  on: () => void done.push(`${name} on`),
  off: async () => {
    done.push(`${name} off`);
    if (fails) throw new Error("cannot");
  },
});

const startFaults = (...names: string[]) => {
  const done: string[] = [];
  const changes: string[] = [];
  const once = momentaryFault("once", "Once", "redis", () => void done.push("once on"));
  const all = [...names.map((name) => fault(name, done, name === "failing")), once];
  const faults = createFaults(all, (name, isOn) => void changes.push(`${name} ${isOn}`));
  const on = (): string[] => faults.list().flatMap(({ name, isOn }) => (isOn ? [name] : []));
  return { faults, on, done, changes };
};

test("a fault is on until it is switched off; the same switch again does nothing", async () => {
  const { faults, on, done, changes } = startFaults("one", "two");
  await faults.set("one", true);
  await faults.set("one", true);
  await faults.set("two", false);
  expect(on()).toEqual(["one"]);
  await faults.set("one", false);
  expect(on()).toEqual([]);
  expect(done).toEqual(["one on", "one off"]);
  expect(changes).toEqual(["one true", "one false"]);
});

test("a fault of a moment is off again at once, and can be repeated", async () => {
  const { faults, on, done } = startFaults();
  await faults.set("once", true);
  await faults.set("once", true);
  expect([on(), done]).toEqual([[], ["once on", "once on"]]);
});

test("a fault that the system lacks is reported", async () => {
  expect(await startFaults("one").faults.set("other", true)).toBe(false);
});

test("all are undone, even if one of them fails, which is named", async () => {
  const { faults, on, done } = startFaults("one", "failing", "two");
  for (const name of ["one", "failing", "two"]) await faults.set(name, true);
  await expect(faults.clear()).rejects.toThrow("failing: cannot");
  expect(done.slice(3).toSorted()).toEqual(["failing off", "one off", "two off"]);
  expect(on()).toEqual(["failing"]);
});

const failsOrStatus = (url: string): Promise<number | string> =>
  fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
    ({ status }) => status,
    (error: unknown) => (error instanceof Error ? error.name : "?"),
  );

test("faults at one door do not undo each other", async () => {
  const server = await serve((_, response) => response.end());
  const door = await startDoor(server.url);
  onTestFinished(async () => {
    await door.stop();
    await server.stop();
  });
  const faults = createFaults(
    doorFaults(door, "origin 1", {
      stopped: ["Stop it", "refuse"],
      frozen: ["Freeze it", "freeze"],
      failing: ["Let it fail", "fail"],
    }),
    () => undefined,
  );
  expect(await failsOrStatus(door.url)).toBe(200);
  await faults.set("failing", true);
  expect(await failsOrStatus(door.url)).toBe(503);
  expect(await failsOrStatus(door.url)).toBe(503);
  await faults.set("stopped", true);
  expect(await failsOrStatus(door.url)).toBe("TypeError");
  await faults.set("stopped", false);
  expect(await failsOrStatus(door.url)).toBe(503);
  await faults.set("failing", false);
  await faults.set("frozen", true);
  expect(await failsOrStatus(door.url)).toBe("TimeoutError");
  await faults.set("stopped", true);
  await faults.clear();
  expect(await failsOrStatus(door.url)).toBe(200);
});

test("a load sends its requests at its rate, first those at once, and none when it has ended", async () => {
  const received: string[] = [];
  const server = await serve((request, response) => {
    received.push(`${request.url} ${request.headers["x-client"]}`);
    response.end();
  });
  const load = createLoad(
    () => server.url,
    (index) => ({ path: `/${index}`, headers: { "x-client": "me" } }),
  );
  onTestFinished(async () => {
    load.set(0);
    await server.stop();
  });
  load.set(40, 5);
  expect(load.requestsPerSecond).toBe(40);
  await expect.poll(() => received.length).toBeGreaterThanOrEqual(20);
  expect(received.toSorted()).toContain("/0 me");
  load.set(0);
  const sent = received.length;
  // Those that were on their way.
  await expect.poll(() => received.length).toBeLessThanOrEqual(sent + 5);
  expect(load.requestsPerSecond).toBe(0);
});

test("the SIEM keeps the newest events, of which few are accesses", async () => {
  const siem = await startSiem();
  onTestFinished(siem.stop);
  const event = (type: string, atS: number) => ({
    ...{ type, id: "1", atMs: 0, lastAtMs: atS * 1_000, count: 2, client: "192.0.2.1", ocsf: {} },
    ...(type === "data_access" ? { resource: "/v1/orders", action: "read" } : { rule: "scanner_path" }),
  });
  const send = (body: unknown) =>
    fetch(siem.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const accesses = Array.from({ length: 30 }, (_, index) => event("data_access", 100 + index));
  expect((await send([event("suspicious_activity", 1), ...accesses])).status).toBe(204);
  expect(siem.newest).toHaveLength(6);
  expect(siem.newest[0]).toEqual({
    ...{ time: "1970-01-01T00:02:09.000Z", type: "data_access", message: "read /v1/orders" },
    ...{ client: "192.0.2.1", count: 2 },
  });
  expect(siem.newest.at(-1)).toMatchObject({ type: "suspicious_activity", message: "scanner_path" });
  expect((await send({ not: "a list" })).status).toBe(400);
});
