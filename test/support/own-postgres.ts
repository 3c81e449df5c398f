/** A PostgreSQL of a test's own, which can stop and start again at the same address. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../src/local/free-port.ts";
import { erasePostgres, startPostgres } from "../../src/local/postgres.ts";

export interface OwnPostgres {
  /** Of a role that may create databases. */
  readonly url: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stops it, and deletes its files. */
  remove(): Promise<void>;
}

export const startOwnPostgres = async (): Promise<OwnPostgres> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-postgres-"));
  const port = await freePort();
  let server = await startPostgres({ folder, port });
  return {
    url: server.url,
    start: async () => {
      server = await startPostgres({ folder, port });
    },
    stop: () => server.stop(),
    remove: async () => {
      await server.stop();
      await erasePostgres(folder);
      await rm(folder, { recursive: true, force: true });
    },
  };
};
