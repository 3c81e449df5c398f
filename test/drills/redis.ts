/** A redis-server of the drills' own, at one address, whose process and data they may break. */
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { startServer } from "../../src/local/child-process.ts";
import { childEnvironment } from "../../src/local/environment.ts";
import { freePort } from "../../src/local/free-port.ts";

export interface OwnRedis {
  readonly url: string;
  /** Runs a command. @throws the server's error */
  run(name: string, ...args: string[]): Promise<unknown>;
  /** Keeps a copy of the data as they are now. */
  keepReplica(): Promise<void>;
  kill(): Promise<void>;
  /** Starts it again. @param data empty, or those of the replica */
  start(data: "empty" | "replica"): Promise<void>;
  freeze(): void;
  thaw(): void;
  remove(): Promise<void>;
}

const DUMP = "dump.rdb";
const REPLICA = "replica.rdb";

/** @throws LocalError if redis-server is not on the PATH */
export const startOwnRedis = async (): Promise<OwnRedis> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-redis-"));
  const port = await freePort();
  const launch = () =>
    startServer(
      {
        name: "redis-server",
        command: "redis-server",
        args: ["--bind", "127.0.0.1", "--port", String(port), "--save", "", "--dir", folder],
        env: childEnvironment(),
        cwd: folder,
        endsWithParent: "SIGKILL",
      },
      (line) => line.includes("Ready to accept connections"),
      { timeoutMs: 10_000 },
    );
  let server = await launch();
  const url = `redis://127.0.0.1:${port}`;
  const run = async (name: string, ...args: string[]): Promise<unknown> => {
    const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1 });
    client.on("error", () => undefined);
    try {
      return await client.call(name, ...args);
    } finally {
      client.disconnect();
    }
  };
  const signal = (name: NodeJS.Signals): void => {
    process.kill(server.pid, name);
  };
  return {
    url,
    run,
    keepReplica: async () => {
      await run("SAVE");
      await copyFile(join(folder, DUMP), join(folder, REPLICA));
    },
    kill: async () => {
      signal("SIGKILL");
      await server.exited;
      await rm(join(folder, DUMP), { force: true });
    },
    start: async (data) => {
      if (data === "replica") await copyFile(join(folder, REPLICA), join(folder, DUMP));
      server = await launch();
    },
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    remove: async () => {
      await server.stop({ signal: "SIGKILL" });
      await rm(folder, { recursive: true, force: true });
    },
  };
};
