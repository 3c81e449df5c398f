import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { projectFolder } from "../../src/local/state-dir.ts";
import { runLocal } from "../support/local-run.ts";
import { createProjectWithApi, type ProjectWithApi } from "../support/project-with-api.ts";

const fixtures = join(projectFolder, "test/fixtures");

const traceJson = z.object({
  spans: z.array(z.object({ spanId: z.string(), parentSpanId: z.optional(z.string()), name: z.string() })),
});

let notes: ProjectWithApi;
let project: string;

/** Adds a route with a table of its own: contract, handler, migration, and a line in each of the API's two lists. */
const addLabels = async (): Promise<void> => {
  const [contract, origin] = [join(project, "src/contract/api"), join(project, "src/origin/api")];
  await cp(join(fixtures, "note-labels/contract.ts"), join(contract, "labels.ts"));
  await cp(join(fixtures, "note-labels/handler.ts"), join(origin, "labels.ts"));
  await cp(join(fixtures, "note-labels/migration.sql"), join(origin, "migrations/0002-labels.sql"));
  const list = async (path: string, name: string, before: string, entry: string): Promise<void> => {
    const text = await readFile(path, "utf8");
    expect(text).toContain(before);
    await writeFile(
      path,
      `import { ${name} } from "./labels.ts";\n${text.replace(before, `${before}${entry}`)}`,
    );
  };
  await list(join(contract, "routes.ts"), "labelNote", "apiRoutes = {", " labelNote,");
  await list(
    join(origin, "handlers.ts"),
    "handleLabelNote",
    "apiHandlers: Handlers<typeof apiRoutes> = {",
    "\n  labelNote: handleLabelNote,",
  );
};

/** With labels added to the notes. */
beforeAll(async () => {
  notes = await createProjectWithApi(join(fixtures, "notes"));
  project = notes.folder;
  await addLabels();
});
afterAll(() => notes?.remove());

describe("another API in place of the shop", () => {
  test("type-checks", async () => {
    expect(await notes.typeErrors()).toBe("");
  });

  test("builds, starts and answers, an added route with a table and a handler's own span and counter included", async () => {
    const run = runLocal(project, join(project, ".breakwater"), ["--origins", "1"]);
    await run.line("Ctrl-C stops everything");
    const tracesUrl = (await run.line("  Traces ")).match(/http:\S+/)?.[0];
    const originMetricsUrl = (await run.line("  Metrics ")).match(/http:\S+/g)?.[1] ?? "";
    const spansOf = async (requestId: string | null) => {
      const response = await fetch(`${tracesUrl}/${requestId}.json`);
      return traceJson.safeParse(await response.json()).data?.spans ?? [];
    };
    const url = (await run.line("  API ")).split(/\s+/)[2] ?? "";
    const key = (await run.line("  Key ")).trim().split(/\s+/)[1];
    const post = (path: string, body: object): Promise<Response> =>
      fetch(`${url}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const note = { name: "mine", text: "here" };
    expect((await post("/v1/notes", note)).status).toBe(201);
    expect((await post("/v1/notes", note)).status).toBe(409);
    const read = await fetch(`${url}/v1/notes/mine`);
    expect(await read.json()).toEqual(note);
    const ownSpan = async () => {
      const spans = await spansOf(read.headers.get("x-request-id"));
      const own = spans.find(({ name }) => name === "find note");
      return {
        parent: spans.find(({ spanId }) => spanId === own?.parentSpanId)?.name,
        children: spans.filter(({ parentSpanId }) => parentSpanId === own?.spanId).map(({ name }) => name),
      };
    };
    await expect
      .poll(ownSpan, { timeout: 20_000 })
      .toEqual({ parent: "GET /v1/notes/:name", children: ["SELECT notes"] });
    expect(await (await fetch(originMetricsUrl)).text()).toContain('notes_reads_total{found="true"} 1\n');
    const label = async (name: string): Promise<unknown> =>
      (await post("/v1/notes/mine/labels", { label: name })).json();
    expect(await label("urgent")).toEqual({ labels: ["urgent"] });
    expect(await label("later")).toEqual({ labels: ["later", "urgent"] });
    expect((await post("/v1/notes/yours/labels", { label: "urgent" })).status).toBe(404);
    expect(await (await fetch(`${url}/openapi.json`)).json()).toMatchObject({ info: { title: "Notes" } });
    expect((await fetch(`${url}/v1/products`)).status).toBe(404);
    run.interrupt();
    expect(await run.exited).toBe(0);
  });
});
