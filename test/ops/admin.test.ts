/** Which system the local commands work on. `test/e2e/start.test.ts` has those of a running one. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { childEnvironment } from "../../src/local/environment.ts";
import { compileCache, projectFolder } from "../../src/local/state-dir.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "breakwater-admin-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A command that fails. @returns its standard error */
const failureOf = async (words: string[], environment: Record<string, string> = {}): Promise<string> => {
  const run = promisify(execFile)(process.execPath, ["src/ops/admin.ts", ...words], {
    cwd: projectFolder,
    env: { ...childEnvironment(), ...compileCache, BREAKWATER_FOLDER: folder, ...environment },
  });
  return await run.then(
    ({ stdout }) => `succeeded: ${stdout}`,
    (error: { readonly stderr: string }) => error.stderr,
  );
};

const DATABASE_URL = "postgres://u:secret@127.0.0.1:9/other";
const REDIS_URL = "http://127.0.0.1:9";
const NO_SYSTEM =
  /^✗ no local system runs in \S+: start it \(npm start\), or pass --external to use DATABASE_URL/;

test.each([
  ["keys", "list"],
  ["limits", "list"],
  ["block", "list"],
  ["unblock", "192.0.2.1"],
  ["migrate"],
])("%s does not use the shell's DATABASE_URL by itself", async (...words) => {
  expect(await failureOf(words, { DATABASE_URL, REDIS_URL, REDIS_TOKEN: "token" })).toMatch(NO_SYSTEM);
});

test("with --external it says which database it works on, without the password", async () => {
  const failure = await failureOf(["keys", "list", "--external"], {
    DATABASE_URL,
    REDIS_URL,
    REDIS_TOKEN: "t",
  });
  expect(failure).toBe(
    "→ database 127.0.0.1:9/other from DATABASE_URL\n✗ cannot reach the database; is the system running?\n",
  );
});

test.each([
  [{}, "DATABASE_URL is missing"],
  [{ DATABASE_URL: "postgres://u:p#secret@127.0.0.1/x" }, "DATABASE_URL must be a URL"],
  [{ DATABASE_URL, REDIS_URL: "127.0.0.1:6379" }, "REDIS_URL must be a URL"],
  [{ DATABASE_URL }, "REDIS_URL is missing"],
])("with --external and the variables %j it says which is wrong", async (variables, fault) => {
  const failure = await failureOf(["keys", "list", "--external"], variables);
  expect(failure).toContain(`✗ --external: ${fault}`);
  expect(failure).not.toContain("secret");
});

test.each(["", "{", '{"edgeUrl":"x"}'])("addresses that read %j are those of no system", async (text) => {
  await writeFile(join(folder, "runtime.json"), text);
  await writeFile(join(folder, "lock"), String(process.pid));
  expect(await failureOf(["keys", "list"])).toMatch(NO_SYSTEM);
});

test("the addresses of a system that was killed are those of no system", async () => {
  const addresses = {
    edgeUrl: "http://127.0.0.1:9",
    databaseUrl: DATABASE_URL,
    redisUrl: REDIS_URL,
    redisToken: "t",
  };
  await writeFile(join(folder, "runtime.json"), JSON.stringify(addresses));
  await writeFile(join(folder, "lock"), "4194305");
  expect(await failureOf(["keys", "list"])).toMatch(NO_SYSTEM);
});
