/** Bundles the Worker as `wrangler deploy` does, and runs it in miniflare, with a front for the platform. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { type Json, Log, LogLevel, Miniflare, type MiniflareOptions } from "miniflare";
import { parse } from "smol-toml";
import * as z from "zod/mini";
import { withTimeout } from "../lib/async.ts";
import { endWithParent, runProgram } from "./child-process.ts";
import { childEnvironment, importConditions } from "./environment.ts";
import { LocalError } from "./local-error.ts";
import { compileCache, projectFolder, stateDir } from "./state-dir.ts";

export interface EdgeBundle {
  /** The Worker's only module. */
  readonly path: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: string[];
}

const BUNDLE_TIMEOUT_MS = 60_000;
const QUIET = { WRANGLER_SEND_METRICS: "false", NO_COLOR: "1", CI: "1" };

/** Wrangler's own conditions, which others would replace. */
const WORKER_CONDITIONS = ["workerd", "worker", "browser"];

const wranglerConfig = z.object({
  compatibility_date: z.string(),
  compatibility_flags: z._default(z.array(z.string()), []),
});

/**
 * @param outFolder receives the bundle
 * @param options of wrangler
 * @param conditions under which the `imports` of package.json are resolved @default those of this process
 * @throws LocalError with wrangler's error
 */
export const bundleEdge = async (
  signal?: AbortSignal,
  outFolder: string = join(stateDir, "edge"),
  options: readonly string[] = [],
  conditions: readonly string[] = importConditions(),
): Promise<EdgeBundle> => {
  const wrangler = join(projectFolder, "node_modules/wrangler/bin/wrangler.js");
  await runProgram(
    {
      name: "wrangler, which bundles the edge,",
      command: process.execPath,
      args: [
        wrangler,
        "deploy",
        "--dry-run",
        "--env",
        "production",
        "--outdir",
        outFolder,
        "--metafile",
        ...options,
      ],
      cwd: projectFolder,
      env: {
        ...childEnvironment(conditions),
        ...compileCache,
        ...QUIET,
        WRANGLER_BUILD_CONDITIONS: [...conditions, ...WORKER_CONDITIONS].join(),
        WRANGLER_LOG_PATH: stateDir,
      },
    },
    { timeoutMs: BUNDLE_TIMEOUT_MS, signal },
  );
  const config = wranglerConfig.parse(parse(await readFile(join(projectFolder, "wrangler.toml"), "utf8")));
  return {
    path: join(outFolder, "worker.js"),
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
  };
};

export interface EdgeOptions {
  readonly bundle: EdgeBundle;
  readonly port: number;
  /** The Worker's variables and secrets, and other values of its environment. */
  readonly environment: Readonly<Record<string, Json>>;
  readonly onLine?: (line: string) => void;
}

export interface LocalEdge {
  readonly url: string;
  /** Of the runtime; 0 on a system without pgrep. */
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * On the platform a client cannot choose CF-Connecting-IP. Here every client is 127.0.0.1, unless it sends
 * another address in X-Local-Client, which only this front supports.
 */
const FRONT = `
export default {
  fetch(request, { EDGE }) {
    const headers = new Headers(request.headers);
    headers.set("cf-connecting-ip", headers.get("x-local-client") ?? "127.0.0.1");
    headers.delete("x-local-client");
    return EDGE.fetch(new Request(request, { headers }));
  },
};`;

/**
 * Miniflare's own signal listeners would exit the process before other parts can stop in order, so they are
 * removed. `dispose` and the exit of the process still stop it.
 */
const createMiniflare = (options: MiniflareOptions): Miniflare => {
  const signals = ["SIGINT", "SIGTERM"] as const;
  const before = new Set(signals.flatMap((signal) => process.listeners(signal)));
  const miniflare = new Miniflare(options);
  for (const signal of signals) {
    for (const listener of process.listeners(signal)) {
      if (!before.has(listener)) process.off(signal, listener);
    }
  }
  return miniflare;
};

/** The runtimes of this process's miniflares, the newest last; none on a system without pgrep. */
const workerdPids = async (): Promise<number[]> => {
  const args = ["-P", String(process.pid), "workerd"];
  const { stdout } = await promisify(execFile)("pgrep", args).catch(() => ({ stdout: "" }));
  return stdout.split("\n").filter(Boolean).map(Number);
};

const LOOK_MS = 100;

/**
 * Kills the runtime if this process ends first, also while it starts.
 *
 * @returns once it has started or failed: the runtimes' ids, and a function that cancels that
 */
const endRuntimeWithParent = async (ready: Promise<unknown>) => {
  const settled = ready.then(
    () => true,
    () => true,
  );
  const cancels = new Map<number, () => void>();
  for (let isSettled = false; !isSettled; ) {
    isSettled = await withTimeout(settled, LOOK_MS, { fallback: false });
    for (const pid of await workerdPids())
      if (!cancels.has(pid)) cancels.set(pid, endWithParent(pid, "SIGKILL"));
  }
  const cancel = (): void => {
    for (const each of cancels.values()) each();
  };
  return { pids: [...cancels.keys()], cancel };
};

/** @throws LocalError if the Worker does not start */
export const startEdge = async ({ bundle, port, environment, onLine }: EdgeOptions): Promise<LocalEdge> => {
  const { path, compatibilityDate, compatibilityFlags } = bundle;
  const onOutput = (line: string): void => {
    if (line !== "") onLine?.(line);
  };
  const miniflare = createMiniflare({
    host: "127.0.0.1",
    port,
    log: new Log(LogLevel.NONE),
    cf: false,
    handleRuntimeStdio: (...streams: Readable[]) => {
      for (const input of streams) createInterface({ input }).on("line", onOutput);
    },
    workers: [
      { name: "front", modules: true, script: FRONT, compatibilityDate, serviceBindings: { EDGE: "edge" } },
      {
        name: "edge",
        modules: [{ type: "ESModule", path }],
        modulesRoot: dirname(path),
        compatibilityDate,
        compatibilityFlags,
        bindings: { ...environment },
      },
    ],
  });
  const { ready } = miniflare;
  const { pids, cancel } = await endRuntimeWithParent(ready);
  const stop = (): Promise<void> => miniflare.dispose().finally(cancel);
  try {
    const { origin } = await ready;
    return { url: origin, pid: pids.at(-1) ?? 0, stop };
  } catch (error) {
    await stop().catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    throw new LocalError(`the edge did not start: ${reason.split("\n").slice(0, 3).join(" ")}`);
  }
};
