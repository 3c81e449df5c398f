import { expect, onTestFinished, test } from "vitest";
import { createPageRoutes, type Page } from "../../../src/local/page/routes.ts";
import { startTelemetryReceiver } from "../../../src/local/telemetry/receiver.ts";
import { rawRequest } from "./support/raw-request.ts";

const TOKEN = "the-token";
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };

/** The page's server, and what was changed through it. */
const startPage = async ({ isStarted = true } = {}) => {
  const changes: string[] = [];
  const switches = { faults: [], load: { requestsPerSecond: 0 } };
  const page: Page = {
    state: () => Promise.reject(new Error("not read here")),
    switches: () => switches,
    setFault: async (name, isOn) => {
      if (name !== "known") return false;
      changes.push(`${name} ${isOn}`);
      return true;
    },
    clearFaults: async () => void changes.push("clear"),
    setLoad: (rate) => void changes.push(`load ${rate}`),
    send: async ({ path }) => {
      changes.push(`send ${path}`);
      throw new Error("no edge");
    },
    report: () => undefined,
  };
  const more = createPageRoutes(() => (isStarted ? page : undefined), TOKEN);
  const { url, stop } = await startTelemetryReceiver({ port: 0, more });
  onTestFinished(stop);
  const ask = (method: string, path: string, headers: Readonly<Record<string, string>> = {}, body?: object) =>
    rawRequest(url, { method, path, headers, body: body === undefined ? "" : JSON.stringify(body) });
  return { url, ask, changes };
};

const CHANGES = [
  ["POST", "/faults/known", undefined, "known true"],
  ["DELETE", "/faults/known", undefined, "known false"],
  ["DELETE", "/faults", undefined, "clear"],
  ["POST", "/load", { requestsPerSecond: 20 }, "load 20"],
  ["POST", "/requests", { method: "GET", path: "/x", withKey: false }, "send /x"],
] as const;

test.each(CHANGES)("%s %s changes something with the token", async (method, path, body, change) => {
  const { ask, changes } = await startPage();
  await ask(method, path, AUTHORIZED, body);
  expect(changes).toEqual([change]);
});

test.each(
  CHANGES,
)("%s %s changes nothing without the token, and nothing with another one", async (method, path, body) => {
  const { ask, changes } = await startPage();
  const none = await ask(method, path, {}, body);
  expect([none.status, JSON.parse(none.body)]).toEqual([401, { message: expect.stringContaining("token") }]);
  for (const authorization of ["Bearer other", "Basic dGhlLXRva2Vu", `Bearer ${TOKEN}x`])
    expect([400, 401]).toContain((await ask(method, path, { authorization }, body)).status);
  expect(changes).toEqual([]);
});

test.each(
  CHANGES,
)("%s %s changes nothing for another site's page, even with the token", async (method, path, body) => {
  const { url, ask, changes } = await startPage();
  for (const origin of ["http://evil.example", "null", "http://127.0.0.1", url.replace("http:", "https:")]) {
    const { status, headers } = await ask(method, path, { ...AUTHORIZED, origin }, body);
    expect([origin, status]).toEqual([origin, 403]);
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
  }
  expect(changes).toEqual([]);
  await ask(method, path, { ...AUTHORIZED, origin: url }, body);
  expect(changes).toHaveLength(1);
});

test.each(
  CHANGES,
)("%s %s changes nothing under a name that leads here by DNS rebinding", async (method, path, body) => {
  const { url, ask, changes } = await startPage();
  const { port } = new URL(url);
  for (const host of [`evil.example:${port}`, "127.0.0.1.evil.example", "localhost.evil.example"]) {
    // Its own origin is that name, so only the Host differs from the page's.
    const { status } = await ask(method, path, { ...AUTHORIZED, host, origin: `http://${host}` }, body);
    expect([host, status]).toEqual([host, 421]);
  }
  expect(changes).toEqual([]);
});

test("nothing is readable by another site: no CORS fields, also for a preflight", async () => {
  const { ask } = await startPage();
  const origin = "http://evil.example";
  for (const [method, path] of [
    ["GET", "/faults"],
    ["OPTIONS", "/faults/known"],
    ["OPTIONS", "/state.json"],
  ] as const) {
    const { headers } = await ask(method, path, { origin, "access-control-request-method": "POST" });
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
    expect(headers["cross-origin-resource-policy"]).toBe("same-origin");
  }
});

test("the page is script and style of its own, in no frame", async () => {
  const { ask } = await startPage();
  const { status, headers, body } = await ask("GET", "/");
  expect([status, headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
  expect(headers["content-security-policy"]).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; frame-ancestors 'none'",
  );
  expect(body).not.toMatch(/<script(?! [^>]*src="\/)|<style|\sstyle=|\son\w+=|https?:/);
  for (const name of ["main.js", "main.css"]) expect((await ask("GET", `/page/${name}`)).status).toBe(200);
  for (const name of ["routes.ts", "..%2froutes.ts", "constructor"])
    expect((await ask("GET", `/page/${name}`)).status).toBe(404);
});

test("wrong requests are explained, and change nothing", async () => {
  const { ask, changes } = await startPage();
  const answers = [
    await ask("POST", "/faults/unknown", AUTHORIZED),
    await ask("POST", "/load", AUTHORIZED, { requestsPerSecond: 501 }),
    await ask("POST", "/load", AUTHORIZED),
    await ask("POST", "/requests", AUTHORIZED, { method: "GET", path: "//evil.example", withKey: "yes" }),
    await ask("POST", "/requests", AUTHORIZED, {
      method: "GET",
      path: "http://evil.example/",
      withKey: true,
    }),
    await ask("GET", "/requests/00000000-0000-4000-8000-000000000000.json"),
  ];
  expect(answers.map(({ status }) => status)).toEqual([404, 400, 400, 400, 400, 404]);
  for (const { body } of answers) expect(JSON.parse(body).message).toMatch(/\w/);
  expect(changes).toEqual([]);
});

test("until the system has started, the page says so", async () => {
  const { ask } = await startPage({ isStarted: false });
  const { status, body } = await ask("GET", "/state.json");
  expect([status, JSON.parse(body)]).toEqual([503, { message: "The system is starting." }]);
});
