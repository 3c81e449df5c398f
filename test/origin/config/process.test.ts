import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { childEnvironment } from "../../../src/local/environment.ts";
import { valid } from "./settings.ts";
import { TWELVE, twelveEnvironment } from "./twelve.ts";

const root = new URL("../../../", import.meta.url).pathname;
let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "breakwater-configuration-"));
  file = join(folder, "app.yaml");
  await copyFile(join(root, "test/fixtures/configuration/twelve-faults.yaml"), file);
});
afterAll(() => rm(folder, { recursive: true }));

const config = ["src/ops/admin.ts", "config"];

const run = async (command: readonly string[], env: Readonly<Record<string, string>>) => {
  const child = spawn(process.execPath, command, {
    cwd: root,
    env: { ...childEnvironment(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { out, err, code };
};

test("npm run config names all twelve faults and exits 78", async () => {
  const { out, err, code } = await run(config, { ...twelveEnvironment, CONFIG_FILE: file });
  expect({ out, code }).toEqual({ out: "", code: 78 });
  for (const fault of TWELVE) expect(err).toContain(`\n  ${fault}\n`);
  expect(err).not.toContain("hunter2");
});

test("the origin names all twelve faults in one line of its log and exits 78", async () => {
  const { out, code } = await run(["src/origin/main.ts"], { ...twelveEnvironment, CONFIG_FILE: file });
  const lines = out.trim().split("\n");
  expect(lines).toHaveLength(1);
  const { message } = JSON.parse(lines[0] ?? "");
  for (const fault of TWELVE) expect(message).toContain(fault);
  expect(out).not.toContain("hunter2");
  expect(code).toBe(78);
});

test("npm run config prints the values in force without secrets", async () => {
  const DATABASE_URL = "postgres://app:hunter2@db.example/app";
  const { out, err, code } = await run(config, { ...valid, DATABASE_URL });
  expect(code).toBe(0);
  expect(err).toMatch(/^→ an origin in this shell's environment; .+\n$/);
  expect(out).toMatch(/^database\.url +postgres:\/\/\*\*\*@db\.example\/app +DATABASE_URL$/m);
  expect(out).not.toMatch(/hunter2|AAAA/);
});

test("npm run config -- --markdown needs no configuration", async () => {
  const { out, code } = await run([...config, "--markdown"], {});
  expect(out).toContain("| `cache.ttl` | `CACHE_TTL` | `5m` |");
  expect(code).toBe(0);
});
