/** The protection page of a real `npm start`: who may break it, and that it is whole again at its end. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { erasePostgres } from "../../src/local/postgres.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { rawRequest } from "../local/page/support/raw-request.ts";
import { type LocalRun, runLocal } from "../support/local-run.ts";
import { isAlive } from "../support/origin-process.ts";
import { isLong } from "../support/runtime.ts";

const execute = promisify(execFile);

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "breakwater-page-"));
});
afterAll(async () => {
  await erasePostgres(join(folder, "postgres"));
  await rm(folder, { recursive: true, force: true });
});

const fault = async (...words: string[]): Promise<string> => {
  const env = { ...process.env, BREAKWATER_FOLDER: folder };
  const command = ["src/local/faults/command.ts", ...words];
  const { stdout } = await execute(process.execPath, command, { cwd: projectFolder, env });
  return stdout;
};

const stateJson = z.object({
  nodes: z.array(z.object({ name: z.string(), isUp: z.boolean() })),
  faults: z.array(z.object({ name: z.string(), isOn: z.boolean() })),
});

const start = async () => {
  const run: LocalRun = runLocal(projectFolder, folder);
  const processes: number[] = [];
  onTestFinished(() => {
    for (const pid of processes.filter(isAlive)) process.kill(pid, "SIGKILL");
  });
  const [, url = "", token = ""] = /(http:\S+)\/#token=(\S+)/.exec(await run.line("  System ")) ?? [];
  await run.line("Ctrl-C stops everything");
  processes.push(...run.descendants());
  const state = async () => stateJson.parse(await (await fetch(`${url}/state.json`)).json());
  const on = async (): Promise<string[]> =>
    (await state()).faults.flatMap(({ name, isOn }) => (isOn ? [name] : []));
  const isUp = async (node: string): Promise<boolean | undefined> =>
    (await state()).nodes.find(({ name }) => name === node)?.isUp;
  const ask = (method: string, path: string, headers: Record<string, string>) =>
    rawRequest(url, { method, path, headers });
  return { run, processes, url, token, ask, on, isUp };
};

test("a page of another site changes nothing, the token of the banner does, and Ctrl-C undoes all", async () => {
  const { run, processes, url, token, ask, on, isUp } = await start();
  const authorization = `Bearer ${token}`;
  const host = `evil.example:${new URL(url).port}`;
  for (const [status, headers] of [
    [401, {}],
    [401, { origin: url }],
    [403, { origin: "http://evil.example", authorization }],
    [421, { host, origin: `http://${host}`, authorization }],
  ] as const) {
    for (const [method, path] of [
      ["POST", "/faults/redis-stopped"],
      ["DELETE", "/faults"],
      ["POST", "/load"],
    ] as const)
      expect((await ask(method, path, headers)).status).toBe(status);
    expect(await on()).toEqual([]);
  }
  expect(await isUp("redis")).toBe(true);

  expect((await ask("POST", "/faults/redis-stopped", { origin: url, authorization })).status).toBe(200);
  await expect.poll(() => isUp("redis")).toBe(false);
  expect(await fault("list")).toMatch(/^redis-stopped +ON /m);
  await fault("off", "redis-stopped");
  await expect.poll(() => isUp("redis")).toBe(true);
  await expect(fault("on", "nothing")).rejects.toThrow("There is no fault nothing.");

  // The token is for this user alone.
  expect((await stat(join(folder, "runtime.json"))).mode & 0o077).toBe(0);

  await fault("on", "origin-frozen");
  await fault("on", "postgres-frozen");
  await fault("on", "origin-killed");
  await expect.poll(() => isUp("origin 1")).toBe(false);
  run.interrupt();
  expect(await run.exited).toBe(0);
  await expect.poll(() => processes.filter(isAlive)).toEqual([]);
  expect(run.output.at(-1)).toBe("Stopped.");
  await expect(fault("list")).rejects.toThrow("no local system runs");
});

test.runIf(isLong)("a start that is killed leaves no process, not even a frozen one", async () => {
  const { run, processes } = await start();
  await fault("on", "origin-frozen");
  process.kill(run.pid, "SIGKILL");
  await expect.poll(() => processes.filter(isAlive), { timeout: 20_000 }).toEqual([]);
});
