import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { exampleTrace, REQUEST_ID, span, startReceiver, TRACE_ID, traces } from "./support/otlp.ts";

const traceId = (digit: string): string => digit.repeat(32);

/** What a page's rows lead to, in their order. */
const linked = (page: string): string[] =>
  [...page.matchAll(/<a class="name" href="\/traces\/([0-9a-f]+)">/g)].map(([, id = ""]) => id);

const hostile = `<script>alert(1)</script>"'&</style><img src=x onerror=alert(2)>`;

describe("every page", () => {
  it.each([
    ["/", 200],
    ["/?route=<b>", 200],
    [`/traces/${TRACE_ID}`, 200],
    [`/traces/${traceId("f")}`, 404],
    ["/?min_ms=soon", 400],
    ["/nothing", 404],
  ])("%s allows its own style and nothing else", async (path, status) => {
    const receiver = await startReceiver();
    for (const body of exampleTrace) await receiver.send("traces", body);
    const response = await fetch(receiver.url + path);
    expect(response.status).toBe(status);
    const text = await response.text();
    const [, style = ""] = /<style>([^<]*)<\/style>/.exec(text) ?? [];
    const hash = createHash("sha256").update(style).digest("base64");
    expect(response.headers.get("content-security-policy")).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
    );
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    });
    expect(text).not.toMatch(/<script|<link|<img|\sstyle=|\son\w+=|javascript:|<b>/i);
  });

  it("escapes whatever it was sent", async () => {
    const receiver = await startReceiver();
    const attributes = { [hostile]: hostile, "http.route": hostile };
    await receiver.send(
      "traces",
      traces(hostile, [span({ id: "1", name: hostile, attributes, isError: true })]),
    );
    const asked = encodeURIComponent(hostile);
    for (const path of [
      "/",
      `/?route=${asked}`,
      `/traces/${TRACE_ID}`,
      `/?status=${asked}`,
      `/traces/${asked}`,
    ]) {
      const text = await receiver.text(path);
      expect(text).not.toMatch(/<script|<img|<\/style>(?!\n<\/head>)/);
      expect(text.match(/<\/style>/g)).toHaveLength(1);
    }
    expect(await receiver.text(`/traces/${TRACE_ID}`)).toContain(
      "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;",
    );
    expect(linked(await receiver.text(`/?route=${asked}`))).toEqual([TRACE_ID]);
  });
});

describe("the list", () => {
  const start = async () => {
    const receiver = await startReceiver();
    const root = (
      digit: string,
      atMs: number,
      durationMs: number,
      route: string,
      status: number,
      isError = false,
    ) =>
      span({
        id: "1",
        traceId: traceId(digit),
        name: `GET ${route}`,
        atMs,
        durationMs,
        isError,
        attributes: { "http.route": route, "http.response.status_code": status },
      });
    await receiver.send(
      "traces",
      traces("edge", [
        root("1", 0, 5, "/products", 200),
        root("3", 2_000, 250, "/orders", 503, true),
        root("2", 1_000, 80, "/products/:id", 404),
        span({ id: "2", parent: "1", traceId: traceId("2"), isError: true }),
      ]),
    );
    return receiver;
  };

  it.each([
    ["", "321"],
    ["?route=PRODUCTS", "21"],
    ["?route=/products/:id", "2"],
    ["?status=error", "32"],
    ["?status=ok", "1"],
    ["?status=503", "3"],
    ["?status=4xx", "2"],
    ["?min_ms=80", "32"],
    ["?min_ms=80.1", "3"],
    ["?route=products&status=error&min_ms=10", "2"],
    ["?route=&status=&min_ms=", "321"],
    ["?route=customers", ""],
  ])("%s has, the newest first, %s", async (query, digits) => {
    const receiver = await start();
    const ids = [...digits].map(traceId);
    expect(linked(await receiver.text(`/${query}`))).toEqual(ids);
    expect(await receiver.json(`/traces.json${query}`)).toMatchObject({
      traces: ids.map((id) => ({ traceId: id })),
    });
  });

  it.each([
    ["status=bad", "status: give ok, error"],
    ["status=600", "status: give ok, error"],
    ["min_ms=-1", "min_ms: give a number"],
    ["min_ms=1e3", "min_ms: give a number"],
  ])("does not guess what ?%s means", async (query, message) => {
    const receiver = await start();
    const response = await fetch(`${receiver.url}/traces.json?${query}`);
    expect([response.status, await response.json()]).toEqual([
      400,
      { message: expect.stringContaining(message) },
    ]);
    expect(await receiver.text(`/?${query}`)).toContain(message);
  });

  it("marks errors by a word and shows the answer's status, the duration and the services", async () => {
    const receiver = await start();
    const text = await receiver.text("/");
    expect(text.match(/✕ 1 error</g)).toHaveLength(2);
    expect(text).toMatch(/503<\/span> <span class="error">/);
    expect(text).toContain('<span class="number">250 ms</span>');
    expect(text).toMatch(/<span class="service hue0">edge<\/span>/);
  });

  it("keeps the filter in its form", async () => {
    const receiver = await start();
    const text = await receiver.text("/?route=or%22der&status=503&min_ms=1.5");
    expect(text).toContain('name="route" value="or&quot;der"');
    expect(text).toContain('<option value="503" selected>503</option>');
    expect(text).toContain('value="1.5"');
  });

  it("says so where there is nothing yet", async () => {
    const receiver = await startReceiver();
    expect(await receiver.text("/")).toContain("None yet: send a request");
  });
});

describe("a trace", () => {
  const start = async (bodies = exampleTrace) => {
    const receiver = await startReceiver();
    for (const body of bodies) await receiver.send("traces", body);
    return receiver;
  };

  it("is found by its id, by the request's id and by the first 8 digits of either, in either case", async () => {
    const receiver = await start();
    const ids = [TRACE_ID, REQUEST_ID, TRACE_ID.slice(0, 8), REQUEST_ID.slice(0, 13)];
    for (const id of ids.flatMap((each) => [each, each.toUpperCase()])) {
      expect(await receiver.text(`/traces/${id}`)).toContain(`request <code>${REQUEST_ID}</code>`);
      expect(await receiver.json(`/traces/${id}.json`)).toMatchObject({ traceId: TRACE_ID });
    }
  });

  it("shows parents before their children, each bar where its span was, also where clocks differ", async () => {
    const receiver = await start();
    const text = await receiver.text(`/traces/${TRACE_ID}`);
    const names = [...text.matchAll(/<span class="name deep(\d)">.*?<\/span>([^<]*)/g)];
    expect(names.map(([, depth, name]) => `${depth} ${name?.trim()}`)).toEqual([
      "0 GET /products/:id",
      "1 GET",
      "1 GET",
      "2 GET /products/:id",
      "3 SELECT products",
    ]);
    const bars = [
      ...text.matchAll(/^\.bar\d+ \{ left: min\(([\d.]+)%, 100% - 2px\); width: ([\d.]+)%; \}$/gm),
    ];
    // Of 40 ms; the origin's own clock has it begin before the attempt that it serves.
    expect(bars.map(([, left, width]) => [Number(left), Number(width)])).toEqual([
      [0, 100],
      [2.5, 20],
      [25, 72.5],
      [23.75, 62.5],
      [30, 8.125],
    ]);
    expect(text).toContain("3.3 ms");
    expect(text).toContain("SELECT * FROM products WHERE id = $1");
    expect(text).toContain("error: it broke");
  });

  it("has as JSON the same spans in the same order", async () => {
    const receiver = await start();
    const json = await receiver.json(`/traces/${TRACE_ID}.json`);
    expect(json).toMatchObject({ traceId: TRACE_ID, requestId: REQUEST_ID, isComplete: true, errors: 1 });
    expect(json).toMatchObject({
      spans: [
        { spanId: "00000000000000e1", parentSpanId: null, depth: 0, offsetMs: 0, service: "breakwater-edge" },
        { spanId: "00000000000000e2", depth: 1, offsetMs: 1, status: "error", kind: "client" },
        { spanId: "00000000000000e3", depth: 1, offsetMs: 10, durationMs: 29 },
        { spanId: "00000000000000b1", depth: 2, offsetMs: 9.5, service: "breakwater-origin", kind: "server" },
        { spanId: "00000000000000b2", depth: 3, offsetMs: 12, durationMs: 3.25 },
      ],
    });
  });

  it("shows although its beginning is missing, and says so", async () => {
    const receiver = await start(exampleTrace.slice(1));
    expect(await receiver.json("/traces.json")).toMatchObject({
      traces: [{ isComplete: false, name: "GET /products/:id", durationMs: 25 }],
    });
    expect(await receiver.text("/")).toContain("its beginning is missing");
    const text = await receiver.text(`/traces/${TRACE_ID}`);
    expect(text).toContain("A parent is missing");
    expect(text).toContain("00000000000000e3 (not here)");
    for (const body of exampleTrace.slice(0, 1)) await receiver.send("traces", body);
    expect(await receiver.text(`/traces/${TRACE_ID}`)).not.toContain("A parent is missing");
  });

  it.each([
    [traceId("a"), "It may not have been sampled"],
    ["00000000-0000-4000-8000-000000000000", "may have made room for newer ones"],
    [TRACE_ID.slice(0, 7), "It may not have been sampled"],
    [`${TRACE_ID}0`, "It may not have been sampled"],
    ["xyz", "A trace id is 32 hex digits"],
    ["constructor", "A trace id is 32 hex digits"],
  ])("that is not there is answered 404 with why: %s", async (id, message) => {
    const receiver = await start();
    for (const suffix of ["", ".json"]) {
      const response = await fetch(`${receiver.url}/traces/${id}${suffix}`);
      expect([response.status, await response.text()]).toEqual([404, expect.stringContaining(message)]);
    }
  });
});
