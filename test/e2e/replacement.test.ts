import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { erasePostgres } from "../../src/local/postgres.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { runLocal } from "../support/local-run.ts";

const execute = promisify(execFile);

let project: string;

/** The project as it is, with the notes of `test/fixtures` in the shop's place. */
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "breakwater-notes-"));
  for (const name of ["package.json", "wrangler.toml", "src", "container"]) {
    await cp(join(projectFolder, name), join(project, name), { recursive: true });
  }
  await symlink(join(projectFolder, "node_modules"), join(project, "node_modules"));
  const tsconfig = await readFile(join(projectFolder, "tsconfig.json"), "utf8");
  await writeFile(join(project, "tsconfig.json"), tsconfig.replace(/,\s*\{ "path": "test" \}/, ""));
  for (const tier of ["contract", "origin"]) {
    const folder = join(project, "src", tier, "api");
    await rm(folder, { recursive: true });
    await cp(join(projectFolder, "test/fixtures/notes", `${tier}-api`), folder, { recursive: true });
  }
});
afterAll(async () => {
  await erasePostgres(join(project, ".breakwater/postgres"));
  await rm(project, { recursive: true, force: true });
});

describe("another API in the shop's place", () => {
  test("type-checks", async () => {
    const tsc = join(projectFolder, "node_modules/.bin/tsc");
    const { stdout } = await execute(tsc, ["-b"], { cwd: project }).catch(
      (error: { stdout: string }) => error,
    );
    expect(stdout).toBe("");
  });

  test("builds, starts and answers", async () => {
    const run = runLocal(project, join(project, ".breakwater"), ["--origins", "1"]);
    await run.line("Ctrl-C stops everything");
    const url = (await run.line("API ")).split(/\s+/)[2] ?? "";
    const key = (await run.line("Key ")).trim().split(/\s+/)[1];
    const statuses: number[] = [];
    const write = { name: "mine", text: "here" };
    for (const _ of [1, 2]) {
      const response = await fetch(`${url}/v1/notes`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify(write),
      });
      statuses.push(response.status);
      await response.body?.cancel();
    }
    expect(statuses).toEqual([201, 409]);
    expect(await (await fetch(`${url}/v1/notes/mine`)).json()).toEqual(write);
    expect(await (await fetch(`${url}/openapi.json`)).json()).toMatchObject({ info: { title: "Notes" } });
    expect((await fetch(`${url}/v1/products`)).status).toBe(404);
    run.interrupt();
    expect(await run.exited).toBe(0);
  });
});
