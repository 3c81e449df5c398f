/** Standard output of a child process: a real pipe. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { withTimeout } from "../../../src/lib/async.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";

const MODULE = pathToFileURL(join(projectFolder, "src/origin/log/stdout.ts")).href;
/** Long enough for any process that ends, on a busy machine too. */
const END_MS = 25_000;

/** Runs in every process before the test's own code. */
const PRELUDE = `
import { writeSync } from "node:fs";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { createLogOutput } from ${JSON.stringify(MODULE)};
const output = createLogOutput();
let drops = 0;
output.onDrop((count) => { drops += count; });
const report = (value) => void writeSync(2, JSON.stringify(value) + "\\n");
const line = (number, size = 100) => JSON.stringify({ number, text: "x".repeat(size) }) + "\\n";
const resumed = () => once(process.stdin, "data");
`;

/** Starts a process and reads the lines that it writes. */
const start = (program: string) => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-log-"));
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeEnd = openSync(path, "w");
  const child = spawn(process.execPath, ["--input-type=module", "--eval", PRELUDE + program], {
    stdio: ["pipe", writeEnd, "pipe"],
  });
  closeSync(writeEnd);
  const { stdin, stderr } = child;
  if (stdin === null || stderr === null) throw new Error("the process has no pipes");
  const exited = once(child, "exit");
  const reader = new Socket({ fd: readEnd, readable: true, writable: false });
  onTestFinished(() => {
    child.kill("SIGKILL");
    reader.destroy();
    rmSync(folder, { recursive: true, force: true });
  });
  const lines: string[] = [];
  const reports: unknown[] = [];
  createInterface({ input: stderr }).on("line", (line) => void reports.push(JSON.parse(line)));
  return {
    reports,
    /** Resumes the process. */
    resume: () => void stdin.write("on\n"),
    /** Starts to read its output. */
    read: () => void createInterface({ input: reader }).on("line", (line) => void lines.push(line)),
    /** Disconnects the reader. */
    disconnect: async () => {
      reader.destroy();
      await once(reader, "close");
    },
    lines: (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line)),
    text: () => lines.join("\n"),
    /** @returns its exit code @throws if it does not end */
    exit: async (): Promise<unknown> => (await withTimeout(exited, END_MS))[0],
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
  };
};

const upTo = (many: number): number[] => Array.from({ length: many }, (_, number) => number);

describe("lines", () => {
  test("arrive whole and in order soon after they were written, without a flush", async () => {
    const process = start(`
      for (let number = 0; number < 300; number += 1) {
        output.write(line(number));
        if (number % 10 === 0) await pause(1);
      }
      await resumed();
    `);
    process.read();
    await expect.poll(() => process.lines().length, { timeout: END_MS }).toBe(300);
    expect(process.lines().map(({ number }) => number)).toEqual(upTo(300));
  });

  test("are not lost while a reader reads, even if they exceed the pipe's buffer", async () => {
    const process = start(`
      for (let number = 0; number < 20_000; number += 1) {
        output.write(line(number, 300));
        if (number % 20 === 0) await pause(1);
      }
      output.flushSync();
      report({ drops });
      globalThis.process.exit(0);
    `);
    process.read();
    expect(await process.exit()).toBe(0);
    await expect.poll(() => process.lines().length).toBe(20_000);
    expect(process.reports).toEqual([{ drops: 0 }]);
  });

  test.each([1, 200, 5_000])("are not lost if the process ends immediately: %i lines", async (many) => {
    const process = start(`
      for (let number = 0; number < ${many}; number += 1) output.write(line(number));
      output.flushSync();
      globalThis.process.exit(0);
    `);
    process.read();
    expect(await process.exit()).toBe(0);
    await expect.poll(() => process.lines().length).toBe(many);
    expect(process.lines().map(({ number }) => number)).toEqual(upTo(many));
  });

  test("are truncated above 16 KiB, and contain no secret", async () => {
    const process = start(`
      const message = "to postgres://user:hunter2@database/shop";
      output.write(JSON.stringify({ level: "info", message, token: "hunter2", text: "é".repeat(100_000) }) + "\\n");
      output.flushSync();
      globalThis.process.exit(0);
    `);
    process.read();
    await process.exit();
    await expect.poll(() => process.lines().length).toBe(1);
    expect(Buffer.byteLength(process.text())).toBeLessThanOrEqual(16_384);
    expect(process.lines()).toMatchObject([{ level: "info", truncated: true, token: "***" }]);
    expect(process.text()).not.toContain("hunter2");
  });
});

describe("a reader that stops", () => {
  test("does not block the process; lines beyond the buffer are dropped and counted, the rest arrives later", async () => {
    const process = start(`
      for (let number = 0; number < 10_000; number += 1) {
        output.write(line(number, 1_000));
        if (number % 100 === 0) await pause(0);
      }
      report({ drops });
      await resumed();
      output.flushSync();
      globalThis.process.exit(0);
    `);
    await expect.poll(() => process.reports.length, { timeout: END_MS }).toBe(1);
    const [{ drops }] = [Object(process.reports[0])];
    expect(drops).toBeGreaterThan(0);
    process.read();
    // All but the buffered lines.
    await expect.poll(() => process.lines().length, { timeout: END_MS }).toBeGreaterThan(9_980 - drops);
    process.resume();
    expect(await process.exit()).toBe(0);
    await expect.poll(() => process.lines().length, { timeout: END_MS }).toBe(10_000 - drops);
    const numbers = process.lines().map(({ number }) => Number(number));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  });

  test("receives all buffered lines when it continues, even if no further line is written", async () => {
    const process = start(`
      for (let number = 0; number < 20; number += 1) output.write(line(number, 16_300));
      output.write(line(20));
      await pause(200);
      report({ drops });
      await resumed();
    `);
    await expect.poll(() => process.reports, { timeout: END_MS }).toEqual([{ drops: 0 }]);
    process.read();
    await expect.poll(() => process.lines().length, { timeout: END_MS }).toBe(21);
  });

  test("does not prevent the end of the process", async () => {
    const process = start(`
      for (let number = 0; number < 1_000; number += 1) output.write(line(number, 1_000));
      await pause(100);
      output.flushSync();
      globalThis.process.exit(0);
    `);
    expect(await process.exit()).toBe(0);
  });
});

describe("a reader that has disconnected", () => {
  test("causes dropped lines, which are counted, and ends neither the process nor its other output", async () => {
    const process = start(`
      await resumed();
      for (let number = 0; number < 100; number += 1) {
        output.write(line(number));
        await pause(2);
      }
      output.flushSync();
      report({ drops });
      await resumed();
      globalThis.process.exit(0);
    `);
    await process.disconnect();
    process.resume();
    await expect.poll(() => process.reports.length, { timeout: END_MS }).toBe(1);
    expect(Object(process.reports[0]).drops).toBeGreaterThan(0);
    expect(process.hasEnded()).toBe(false);
    process.resume();
    expect(await process.exit()).toBe(0);
  });

  test("does not prevent the end of a process whose last lines are the first unread ones", async () => {
    const process = start(`
      await resumed();
      output.write(line(1));
      output.flushSync();
      globalThis.process.exit(0);
    `);
    await process.disconnect();
    process.resume();
    expect(await process.exit()).toBe(0);
  });
});
