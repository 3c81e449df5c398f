import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { sleep } from "../../src/lib/async.ts";
import { spawnChild } from "../../src/local/child-process.ts";
import { lockOwner, takeLock } from "../../src/local/lock.ts";

let folder: string;
let lock: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "breakwater-lock-"));
  lock = join(folder, "lock");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** More than any process id. */
const ENDED = "4194305";

const source = new URL("../../src/local/lock.ts", import.meta.url).href;

/** Takes the lock in other processes at the same moment, and keeps it. @returns their outcomes */
const takeInProcesses = (count: number): Promise<string[]> => {
  const script = `
    const { takeLock } = await import(${JSON.stringify(source)});
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, ${Date.now() + 1_500} - Date.now())));
    await takeLock(${JSON.stringify(lock)}).then(() => console.log("taken"), (error) => console.log(error.message));
    setInterval(() => {}, 1_000);`;
  const args = ["--input-type=module", "--eval", script];
  const outcomes = Array.from({ length: count }, async () => {
    const line = Promise.withResolvers<string>();
    const child = spawnChild({
      name: "a start",
      command: process.execPath,
      args,
      onLine: line.resolve,
      endsWithParent: "SIGKILL",
    });
    onTestFinished(() => child.stop({ signal: "SIGKILL" }));
    return await line.promise;
  });
  return Promise.all(outcomes);
};

describe("the lock", () => {
  test.each([
    ["without a lock", undefined],
    ["with the lock of a process that has ended", ENDED],
  ])("goes to one of several starts at the same moment, %s", async (_, content) => {
    if (content !== undefined) await writeFile(lock, content);
    const outcomes = await takeInProcesses(4);
    const others = outcomes.filter((outcome) => outcome !== "taken");
    expect(others).toHaveLength(3);
    for (const outcome of others)
      expect(outcome).toMatch(/^another npm start \(process \d+\) runs in this folder/);
    expect(await readdir(folder)).toEqual(["lock"]);
  });

  test("that is empty belongs to a start that is writing it", async () => {
    await writeFile(lock, "");
    const taking = takeLock(lock);
    taking.catch(() => undefined);
    await sleep(50);
    await writeFile(lock, String(process.ppid));
    await expect(taking).rejects.toThrow(`another npm start (process ${process.ppid}) runs in this folder`);
  });

  test.each([
    "",
    ENDED,
    String(process.pid),
    "nonsense",
  ])("%j, without a running owner, is taken over", async (content) => {
    await writeFile(lock, content);
    expect(await lockOwner(lock)).toBeUndefined();
    const release = await takeLock(lock);
    expect(await readFile(lock, "utf8")).toBe(String(process.pid));
    await release();
    expect(await readdir(folder)).toEqual([]);
  });

  test("of another start is not released", async () => {
    const release = await takeLock(lock);
    await writeFile(lock, ENDED);
    await release();
    expect(await readdir(folder)).toEqual(["lock"]);
  });
});
