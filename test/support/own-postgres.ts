/** A test's own PostgreSQL, which can stop and start again at the same address. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { freePort } from "../../src/local/free-port.ts";
import { erasePostgres, startPostgres } from "../../src/local/postgres.ts";

export interface OwnPostgres {
  /** Its role may create databases. */
  readonly url: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Kills it without warning, as a lack of memory would. */
  kill(): Promise<void>;
  /** Stops its processes where they are: connections stay open, and nothing responds. */
  freeze(): Promise<void>;
  thaw(): void;
  /** Stops it, and deletes its files. */
  remove(): Promise<void>;
}

/** Its server and the backends, the server first, so that no backend begins. */
const PROCESSES = `
SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid
UNION ALL SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()`;

const processesOf = async (url: string): Promise<number[]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ pid: number }>(PROCESSES);
    return rows.map(({ pid }) => pid);
  } finally {
    await client.end();
  }
};

export const startOwnPostgres = async (): Promise<OwnPostgres> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-postgres-"));
  const port = await freePort();
  let server = await startPostgres({ folder, port });
  let frozen: readonly number[] = [];
  const thaw = (): void => {
    for (const pid of frozen) process.kill(pid, "SIGCONT");
    frozen = [];
  };
  return {
    url: server.url,
    freeze: async () => {
      frozen = await processesOf(server.url);
      for (const pid of frozen) process.kill(pid, "SIGSTOP");
    },
    thaw,
    start: async () => {
      server = await startPostgres({ folder, port });
    },
    stop: () => server.stop(),
    kill: async () => {
      const [pid = Number.NaN] = await processesOf(server.url);
      process.kill(pid, "SIGKILL");
      await server.exited;
    },
    remove: async () => {
      thaw();
      await server.stop();
      await erasePostgres(folder);
      await rm(folder, { recursive: true, force: true });
    },
  };
};
