/** `npm run dev`: edits take effect without a restart by hand. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { projectFolder } from "../../src/local/state-dir.ts";
import { type LocalRun, runLocal } from "../support/local-run.ts";
import { createProjectWithApi, type ProjectWithApi } from "../support/project-with-api.ts";

let project: ProjectWithApi;
let run: LocalRun;
let url = "";
let key = "";

beforeAll(async () => {
  project = await createProjectWithApi(join(projectFolder, "test/fixtures/notes"));
  run = runLocal(project.folder, join(project.folder, ".breakwater"), ["--watch"]);
  await run.line("Watching src");
  url = (await run.line("  API ")).split(/\s+/)[2] ?? "";
  key = (await run.line("  Key ")).trim().split(/\s+/)[1] ?? "";
});
afterAll(async () => {
  run?.interrupt();
  await run?.exited;
  await project?.remove();
});

const edit = async (file: string, from: string, to: string): Promise<void> => {
  const path = join(project.folder, "src", file);
  const text = await readFile(path, "utf8");
  expect(text).toContain(from);
  await writeFile(path, text.replace(from, to));
};

const write = async (name: string): Promise<Response> =>
  await fetch(`${url}/v1/notes`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ name, text: "here" }),
  });

const PROMPT = { timeout: 90_000, interval: 100 };

describe("an edit", () => {
  test("of a handler takes effect at the same address, and keeps the data", async () => {
    expect((await write("kept")).status).toBe(201);
    await edit("origin/api/handlers.ts", 'problem("note_taken")', 'problem("forbidden" as "note_taken")');
    // Twice in a row: by either origin.
    const statuses = async () => [(await write("kept")).status, (await write("kept")).status];
    await expect.poll(statuses, PROMPT).toEqual([403, 403]);
  });

  test("of the contract reaches both tiers", async () => {
    await edit("contract/api/routes.ts", 'path: "/v1/notes/:name"', 'path: "/v2/notes/:name"');
    await expect.poll(async () => (await fetch(`${url}/v2/notes/kept`)).status, PROMPT).toBe(200);
    await expect.poll(async () => (await fetch(`${url}/v1/notes/kept`)).status, PROMPT).toBe(404);
  });

  test("is no unexpected end of what is started again", async () => {
    await expect.poll(() => run.output.filter((line) => line.includes("edge runs again"))).toHaveLength(1);
    // The end of the edge's runtime is noticed within half a second.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(run.output.filter((line) => line.includes("unexpectedly"))).toEqual([]);
  });

  test("with a syntax error is reported with its place, and the system goes on until it is fixed", async () => {
    await edit("origin/api/handlers.ts", "const note = await", "const note = = await");
    expect(await run.line("handlers.ts:")).toMatch(/src\/origin\/api\/handlers\.ts:\d+:\d+/);
    expect((await fetch(`${url}/v2/notes/kept`)).status).toBe(200);
    const before = run.output.filter((line) => line.includes("runs again")).length;
    await edit("origin/api/handlers.ts", "const note = = await", "const note = await");
    await expect
      .poll(() => run.output.filter((line) => line.includes("runs again")).length, PROMPT)
      .toBe(before + 2);
    await expect.poll(async () => (await fetch(`${url}/v2/notes/kept`)).status, PROMPT).toBe(200);
  });

  test("made while another file has a syntax error takes effect once that is fixed", async () => {
    const reports = () => run.output.filter((line) => line.includes("handlers.ts:")).length;
    const before = reports();
    await edit("origin/api/handlers.ts", "const note = await", "const note = = await");
    await expect.poll(reports, PROMPT).toBeGreaterThan(before);
    await edit("contract/api/routes.ts", 'path: "/v2/notes/:name"', 'path: "/v3/notes/:name"');
    await expect.poll(reports, PROMPT).toBeGreaterThan(before + 1);
    await edit("origin/api/handlers.ts", "const note = = await", "const note = await");
    await expect.poll(async () => (await fetch(`${url}/v3/notes/kept`)).status, PROMPT).toBe(200);
  });

  test("with a type error is reported, and takes effect", async () => {
    await edit("origin/api/handlers.ts", "status: 201", "status: 202");
    expect(await run.line("error TS")).toContain("src/origin/api/handlers.ts");
    await expect.poll(async () => (await write(crypto.randomUUID())).status, PROMPT).toBe(202);
  });
});
