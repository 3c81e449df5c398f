/** PostgreSQL's own client programs, from the PATH: pg_dump, pg_restore, psql. */
import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { childEnvironment } from "../local/environment.ts";
import { LocalError } from "../local/local-error.ts";
import type { Bytes } from "../origin/admin/backup-file.ts";

const MAX_REASON_LENGTH = 1_000;
const REMEDY =
  "install PostgreSQL's client programs, of the server's major version or newer, first on the PATH";

/** The URL of another database on the same server. @throws LocalError */
export const withDatabase = (databaseUrl: string, name: string): string => {
  const url = URL.parse(databaseUrl);
  if (url === null) throw new LocalError("the database's URL has no host");
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
};

/** Other users see arguments, so the password goes into the environment. */
const connectionOf = (databaseUrl: string) => {
  const url = URL.parse(databaseUrl);
  if (url === null) throw new LocalError("the database's URL has no host");
  const password = decodeURIComponent(url.password);
  url.password = "";
  // Only the driver knows this parameter; libpq lacks the default below.
  url.searchParams.delete("uselibpqcompat");
  if (url.searchParams.get("sslmode") === "verify-full" && !url.searchParams.has("sslrootcert"))
    url.searchParams.set("sslrootcert", "system");
  const env = { ...childEnvironment(), ...(password === "" ? {} : { PGPASSWORD: password }) };
  return { args: ["--no-password", `--dbname=${url.href}`], env };
};

/** Yields what a program prints. @throws LocalError, at the end, if the program fails */
export async function* outputOf(
  command: string,
  args: readonly string[],
  { input, env }: { readonly input?: Readable; readonly env?: NodeJS.ProcessEnv } = {},
): Bytes {
  const child = spawn(command, args, { env: env ?? childEnvironment(), stdio: "pipe" });
  let reason = "";
  child.stderr.on("data", (chunk: Buffer) => {
    reason = (reason + chunk.toString()).slice(-MAX_REASON_LENGTH);
  });
  const ended = new Promise<string | undefined>((resolve) => {
    child.once("error", () => resolve(`${command} cannot be run: ${REMEDY}`));
    child.once("close", (code) => resolve(code === 0 ? undefined : `${command} failed: ${reason.trim()}`));
  });
  // A program that has ended does not read the rest; its own error is the one that counts.
  const fed = input === undefined ? child.stdin.end() : pipeline(input, child.stdin);
  const fault = Promise.resolve(fed).then(
    () => undefined,
    (error: unknown) => error,
  );
  try {
    yield* child.stdout;
    const failure = await ended;
    if (failure !== undefined)
      throw new LocalError(
        /version mismatch|cannot be run/.test(failure) ? `${failure} (${REMEDY})` : failure,
      );
    if ((await fault) instanceof Error) throw await fault;
  } finally {
    child.kill();
  }
}

/** Runs a client program on a database. @returns what it prints @throws LocalError */
export const runClient = async (
  command: "pg_restore" | "psql",
  databaseUrl: string,
  args: readonly string[],
  input?: Readable,
): Promise<string> => {
  const { args: connection, env } = connectionOf(databaseUrl);
  const options = { env, ...(input === undefined ? {} : { input }) };
  const chunks: Uint8Array[] = [];
  for await (const chunk of outputOf(command, [...connection, ...args], options)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

/** A dump in PostgreSQL's custom format, which is compressed: one consistent snapshot. */
export const dumpOf = (databaseUrl: string): Bytes => {
  const { args, env } = connectionOf(databaseUrl);
  return outputOf("pg_dump", ["--format=custom", ...args], { env });
};
