import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { erasePostgres } from "../../src/local/postgres.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { descendantsOf, type LocalRun, runLocal } from "../support/local-run.ts";
import { isAlive } from "../support/origin-process.ts";
import { isLong } from "../support/runtime.ts";

const execute = promisify(execFile);

const traceJson = z.object({ spans: z.array(z.object({ service: z.string(), name: z.string() })) });

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "breakwater-start-"));
});
afterAll(async () => {
  await erasePostgres(join(folder, "postgres"));
  await rm(folder, { recursive: true, force: true });
});

/** Variables of a shell that belong to other programs. */
const FOREIGN = {
  PGOPTIONS: "-c nonsense=1",
  PGSSLMODE: "require",
  DATABASE_URL: "postgres://u:secret@127.0.0.1:9/none",
  REDIS_URL: "redis://127.0.0.1:9",
  REDIS_KEY_PREFIX: "other:",
  UPSTASH_REDIS_REST_URL: "http://127.0.0.1:9",
  NODE_USE_ENV_PROXY: "1",
  HTTP_PROXY: "http://127.0.0.1:9",
  HTTPS_PROXY: "http://127.0.0.1:9",
  OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
  CLOUDFLARE_ENV: "staging",
  SIGNING_KEYS: "nonsense",
  LOG_LEVEL: "nonsense",
  GUARDS: "origin",
  CONFIG_FILE: "/nonsense",
};

/** Runs a command of the local system; rejects if it fails. */
const command = (words: string[], environment: Record<string, string> = {}) =>
  execute(process.execPath, ["src/ops/admin.ts", ...words], {
    cwd: projectFolder,
    env: { ...process.env, BREAKWATER_FOLDER: folder, ...environment },
  });

const start = (args: string[] = [], environment: Record<string, string> = {}): LocalRun =>
  runLocal(projectFolder, folder, args, environment);

const stop = async (run: LocalRun): Promise<void> => {
  run.interrupt();
  expect(await run.exited).toBe(0);
};

/** Runs the banner's commands in a shell; returns the statuses and bodies of the responses. */
const paste = async (run: LocalRun): Promise<{ status: string; body: string }[]> => {
  await run.line("Ctrl-C stops everything");
  const commands = run.output.filter((line) => line.trim().startsWith("curl "));
  const responses: { status: string; body: string }[] = [];
  for (const command of commands) {
    const script = command.replace("curl -s", "curl -s -w '\\n%{http_code}'");
    const { stdout } = await execute("bash", ["-c", script]);
    const at = stdout.lastIndexOf("\n");
    responses.push({ status: stdout.slice(at + 1), body: stdout.slice(0, at) });
  }
  return responses;
};

describe("npm start", () => {
  test("prints three commands that work, and keeps its data across a restart", async () => {
    const first = start();
    const responses = await paste(first);
    expect(responses.map(({ status }) => status)).toEqual(["200", "201", "200"]);
    await stop(first);
    const bought = JSON.parse(responses[1]?.body ?? "").id;

    const second = start([], FOREIGN);
    const again = await paste(second);
    expect(again[2]?.body, "although the shell has variables of other programs").toContain(bought);
    const { stdout, stderr } = await command(["keys", "list"], FOREIGN);
    expect(stdout).toContain("  demo  ");
    expect(stderr).toMatch(new RegExp(`^→ local system of ${folder}, database 127.0.0.1:\\d+/postgres\n$`));
    await stop(second);

    if (!isLong) return;
    const fresh = start(["--fresh"]);
    expect((await paste(fresh))[2]?.body).not.toContain(bought);
    await stop(fresh);
  });

  test.each(
    isLong ? ["Starting", "Redis", "PostgreSQL", "origin 1", "Breakwater is running"] : ["origin 1"],
  )("Ctrl-C after %j leaves no process and no lock", async (moment) => {
    const run = start();
    await run.line(moment);
    const processes = run.descendants();
    run.interrupt();
    expect(await run.exited).toBe(0);
    await expect.poll(() => processes.filter(isAlive), { timeout: 5_000 }).toEqual([]);
    expect(run.output.at(-1)).toBe("Stopped.");
  });

  test.runIf(isLong)("a start that is killed leaves no process, and the next start works", async () => {
    const run = start();
    await run.line("Breakwater is running");
    const processes = run.descendants();
    process.kill(run.pid, "SIGKILL");
    await expect.poll(() => processes.filter(isAlive), { timeout: 15_000 }).toEqual([]);
    const second = start();
    expect((await paste(second)).map(({ status }) => status)).toEqual(["200", "201", "200"]);
    await stop(second);
  });

  test.runIf(isLong)("a start that is killed ends no process of a start in another folder", async () => {
    const otherFolder = await mkdtemp(join(tmpdir(), "breakwater-start-"));
    const other = runLocal(projectFolder, otherFolder);
    await other.line("Breakwater is running");
    const processes = other.descendants();
    const run = start();
    await run.line("Breakwater is running");
    const own = run.descendants();
    process.kill(run.pid, "SIGKILL");
    await expect.poll(() => own.filter(isAlive), { timeout: 15_000 }).toEqual([]);
    const next = start();
    await next.line("Breakwater is running");
    await stop(next);
    expect(processes.filter((pid) => !isAlive(pid))).toEqual([]);
    await stop(other);
    await erasePostgres(join(otherFolder, "postgres"));
    await rm(otherFolder, { recursive: true, force: true });
  });

  test.runIf(isLong)("a start whose npm is killed ends, and leaves no process", async () => {
    const npm = spawn("npm", ["start", "--", "--port", "0"], {
      cwd: projectFolder,
      env: { ...process.env, BREAKWATER_FOLDER: folder },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const output: string[] = [];
    createInterface({ input: npm.stdout }).on("line", (line) => void output.push(line));
    await expect.poll(() => output.join("\n"), { timeout: 150_000 }).toContain("Breakwater is running");
    const processes = descendantsOf(npm.pid ?? 0);
    onTestFinished(() => {
      for (const pid of processes.filter(isAlive)) process.kill(pid, "SIGKILL");
    });
    expect(processes.length).toBeGreaterThan(5);
    npm.kill("SIGKILL");
    await expect.poll(() => processes.filter(isAlive), { timeout: 15_000 }).toEqual([]);
    expect(output.at(-1)).toBe("Stopped.");
  });

  test.runIf(isLong)("the embedded mock replaces redis-server", async () => {
    const run = start([], { BREAKWATER_EMBEDDED_REDIS: "mock" });
    expect((await paste(run)).map(({ status }) => status)).toEqual(["200", "201", "200"]);
    expect(run.output.join("\n")).toContain("ioredis-mock");
    await stop(run);
  });

  test.runIf(isLong)("a request id leads to its trace of both tiers, and to their log lines", async () => {
    const run = start();
    const api = (await run.line("  API ")).match(/http:\S+/)?.[0];
    const traces = (await run.line("  Traces ")).match(/http:\S+/)?.[0];
    const response = await fetch(`${api}/v1/products?limit=3`);
    const id = response.headers.get("x-request-id") ?? "";
    const spans = async (): Promise<string[]> => {
      const response = await fetch(`${traces}/${id}.json`);
      const trace = traceJson.safeParse(await response.json());
      return (trace.data?.spans ?? []).map(({ service, name }) => `${service}: ${name}`);
    };
    await expect
      .poll(spans, { timeout: 10_000 })
      .toEqual(
        expect.arrayContaining([
          "breakwater-edge: GET /v1/products",
          "breakwater-edge: GET",
          "breakwater-origin: GET /v1/products",
          "breakwater-origin: SELECT products",
        ]),
      );
    const page = await fetch(`${traces}/${id}`);
    expect(await page.text()).toContain("SELECT products");
    const short = id.slice(0, 8);
    expect(await run.line(`edge     GET /v1/products 200`)).toContain(short);
    expect(run.output.filter((line) => line.includes(short) && line.includes("origin")).length).toBe(1);
    await stop(run);
  });

  test.runIf(isLong)(
    "an origin that is killed is reported in one line, and started again on its ports",
    async () => {
      const run = start();
      await run.line("Breakwater is running");
      const { stdout } = await execute("pgrep", [
        "-f",
        `${projectFolder}src/origin/main.ts`,
        "-P",
        String(run.pid),
      ]);
      process.kill(Number(stdout.split("\n")[0]), "SIGKILL");
      expect(await run.line("has exited unexpectedly")).toMatch(
        /^ {2}! origin \d has exited unexpectedly \(SIGKILL\): it starts again in 1 s$/,
      );
      await run.line("runs again (process ");
      const metrics = (await run.line("  Metrics ")).match(/http:\S+/g) ?? [];
      const pages = await Promise.all(metrics.map((url) => fetch(url)));
      expect(pages.map(({ status }) => status)).toEqual([200, 200, 200]);
      await stop(run);
    },
  );

  test.runIf(isLong)("a runtime of the edge that is killed is started again on its port", async () => {
    const run = start();
    const api = (await run.line("  API ")).match(/http:\S+/)?.[0];
    await run.line("Breakwater is running");
    const { stdout } = await execute("pgrep", ["-P", String(run.pid), "workerd"]);
    process.kill(Number(stdout), "SIGKILL");
    await run.line("edge runs again (process ");
    expect((await fetch(`${api}/v1/products`)).status).toBe(200);
    await stop(run);
  });

  test.runIf(isLong)("a second start in the same folder is rejected", async () => {
    const run = start();
    await run.line("Redis");
    const second = start();
    expect(await second.exited).toBe(1);
    expect(second.output.at(-1)).toMatch(/^✗ another npm start \(process \d+\) runs in this folder/);
    await stop(run);
  });

  test("a file that has the name of its folder is reported in one line", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    const run = runLocal(projectFolder, file);
    expect(await run.exited).toBe(1);
    expect(run.output.at(-1)).toMatch(/^✗ cannot use \S+ \(a file has its name\): correct that, or set /);
  });

  test("a taken port is reported in one line", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const run = start(["--port", String(port)]);
    expect(await run.exited).toBe(1);
    expect(run.output.at(-1)).toMatch(new RegExp(`^✗ port ${port} is taken`));
    server.close();
  });

  test.each([
    [["--origins", "0"], "✗ --origins 0: give a whole number from 1 to 8"],
    [["--nonsense"], "✗ Unknown option '--nonsense'"],
    [["--external", "--fresh"], "✗ --fresh erases only embedded data: omit it with --external"],
  ])("%j is rejected in one line", async (args, line) => {
    const run = start(args);
    expect(await run.exited).toBe(1);
    expect(run.output.at(-1)).toContain(line);
  });
});
