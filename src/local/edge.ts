/**
 * The Worker that `wrangler deploy` would upload, bundled, and run in miniflare behind a front that stands in for the
 * platform.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { Log, LogLevel, Miniflare } from "miniflare";
import { parse } from "smol-toml";
import * as z from "zod/mini";
import { endWithParent, runProgram } from "./child-process.ts";
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

const wranglerConfig = z.object({
  compatibility_date: z.string(),
  compatibility_flags: z._default(z.array(z.string()), []),
});

/**
 * @param outFolder receives the bundle
 * @throws LocalError with wrangler's error
 */
export const bundleEdge = async (
  signal?: AbortSignal,
  outFolder: string = join(stateDir, "edge"),
): Promise<EdgeBundle> => {
  const wrangler = join(projectFolder, "node_modules/wrangler/bin/wrangler.js");
  await runProgram(
    {
      name: "wrangler, which bundles the edge,",
      command: process.execPath,
      args: [wrangler, "deploy", "--dry-run", "--env", "production", "--outdir", outFolder, "--metafile"],
      cwd: projectFolder,
      env: { ...process.env, ...compileCache, ...QUIET, WRANGLER_LOG_PATH: stateDir },
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
  /** The Worker's variables and secrets. */
  readonly environment: Readonly<Record<string, string>>;
  readonly onLine?: (line: string) => void;
}

export interface LocalEdge {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * On the platform a client cannot choose CF-Connecting-IP. Here every client is 127.0.0.1, unless it sends another
 * address in X-Local-Client, which only this front supports.
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
 * Miniflare exits the process on a signal, before other parts can stop in order, so its listeners are removed. `dispose`
 * stops it, and so does the exit of the process.
 */
const withoutSignalListeners = <T>(create: () => T): T => {
  const signals = ["SIGINT", "SIGTERM"] as const;
  const before = new Set(signals.flatMap((signal) => process.rawListeners(signal)));
  const created = create();
  for (const signal of signals) {
    for (const listener of process.listeners(signal)) {
      if (!before.has(listener)) process.off(signal, listener);
    }
  }
  return created;
};

/** The runtimes that miniflare has started in this process; none on a system without pgrep. */
const workerdPids = async (): Promise<number[]> => {
  const args = ["-P", String(process.pid), "workerd"];
  const { stdout } = await promisify(execFile)("pgrep", args).catch(() => ({ stdout: "" }));
  return stdout.split("\n").filter(Boolean).map(Number);
};

/** @throws LocalError if the Worker does not start */
export const startEdge = async ({ bundle, port, environment, onLine }: EdgeOptions): Promise<LocalEdge> => {
  const { path, compatibilityDate, compatibilityFlags } = bundle;
  const handleRuntimeStdio = (...streams: Readable[]): void => {
    const onOutput = (line: string): void => {
      if (line !== "") onLine?.(line);
    };
    for (const input of streams) createInterface({ input }).on("line", onOutput);
  };
  const binding = { serviceBindings: { EDGE: "edge" } };
  const front = { name: "front", modules: true, script: FRONT, compatibilityDate, ...binding };
  const edge = {
    name: "edge",
    modules: [{ type: "ESModule" as const, path }],
    modulesRoot: dirname(path),
    compatibilityDate,
    compatibilityFlags,
    bindings: { ...environment },
  };
  const log = new Log(LogLevel.NONE);
  const miniflare = withoutSignalListeners(
    () =>
      new Miniflare({ host: "127.0.0.1", port, log, cf: false, handleRuntimeStdio, workers: [front, edge] }),
  );
  try {
    const { origin } = await miniflare.ready;
    const cancels = (await workerdPids()).map((pid) => endWithParent(pid, "SIGKILL"));
    const stop = async (): Promise<void> => {
      await miniflare.dispose();
      for (const cancel of cancels) cancel();
    };
    return { url: origin, stop };
  } catch (error) {
    await miniflare.dispose().catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    throw new LocalError(`the edge did not start: ${reason.split("\n").slice(0, 3).join(" ")}`);
  }
};
