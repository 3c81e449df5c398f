/** A PostgreSQL server that outlived the process that started it, because that one was killed. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { LocalError } from "./local-error.ts";
import { commandLineOf } from "./process-command-line.ts";

/** How each signal asks a server to stop (PostgreSQL, "Shutting Down the Server"), and how long it may take. */
const steps = [
  { signal: "SIGINT", ms: 10_000 },
  { signal: "SIGQUIT", ms: 6_000 },
  { signal: "SIGKILL", ms: 2_000 },
] as const;
const pollMs = 20;

/**
 * Stops the server that still serves the data directory `cluster`, if there is one. Whether another Breakwater
 * that is alive owns the directory is the caller's to know.
 *
 * @throws LocalError when it does not stop
 */
export async function stopOrphan(cluster: string, onNotice: (line: string) => void): Promise<void> {
  const pidFile = join(cluster, "postmaster.pid");
  const pid = Number.parseInt(await readFile(pidFile, "utf8").catch(() => ""), 10);
  if (!(pid > 1)) return;

  const command = await commandLineOf(pid);
  if (serves(command, cluster)) {
    await stopServer(pid, cluster);
    onNotice(`stopped the PostgreSQL that an earlier run left behind when it was killed (process ${pid})`);
  } else if (command !== "" && !isPostgres(command)) {
    // Another program has the process id by now: PostgreSQL would take it for a server and refuse to start.
    await rm(pidFile, { force: true });
  }
}

const isPostgres = (command: string): boolean => /(^|\/)postgres(:| |$)/.test(command);

const serves = (command: string, cluster: string): boolean =>
  isPostgres(command) && `${command} `.includes(` -D ${cluster} `);

async function stopServer(pid: number, cluster: string): Promise<void> {
  for (const { signal, ms } of steps) {
    signalOrFail(pid, signal);
    for (const end = performance.now() + ms; performance.now() < end; ) {
      if (!serves(await commandLineOf(pid), cluster)) return;
      await pause(pollMs);
    }
  }
  throw new LocalError(
    `the PostgreSQL of an earlier run does not stop: end process ${pid}, then start again`,
  );
}

function signalOrFail(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return;
    const message = `the PostgreSQL of an earlier run belongs to another user: end process ${pid}, then start again`;
    throw new LocalError(message, { cause: error });
  }
}
