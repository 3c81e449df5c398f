/**
 * `npm run backup`: dumps the database of the running local system, or with `--external` that of DATABASE_URL, into an
 * encrypted file.
 */
import { existsSync } from "node:fs";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { Readable } from "node:stream";
import { parseArgs } from "node:util";
import { useOwnEnvironment } from "../local/environment.ts";
import { LocalError } from "../local/local-error.ts";
import { stateDir } from "../local/state-dir.ts";
import { readTarget } from "../local/target.ts";
import {
  createIdentity,
  encrypted,
  readIdentity,
  recipientOf,
  SUFFIX,
  timestamp,
  writeComplete,
} from "../origin/admin/backup-file.ts";
import { isUsageError, processTerminal } from "../origin/admin/cli.ts";
import { EXIT } from "../origin/lifecycle/exit.ts";
import { dumpOf, outputOf } from "./postgres-client.ts";

export const backupsFolder = join(stateDir, "backups");
export const localIdentity = join(stateDir, "backup-identity.txt");

const USAGE = `npm run backup -- [--recipient age1… …] [--encrypt-with COMMAND] [--to FOLDER] [--external]
  --recipient     who can decrypt it; by default the identity in ${relative(process.cwd(), localIdentity)}
  --encrypt-with  a command that encrypts its input instead, such as "gpg --encrypt --recipient NAME"
  --to            default ${relative(process.cwd(), backupsFolder)}`;

/** Created the first time. Such a backup does not outlive this machine's disk. */
const localRecipient = async (): Promise<string> => {
  if (!existsSync(localIdentity)) await writeFile(localIdentity, await createIdentity(), { mode: 0o600 });
  return await recipientOf(await readIdentity(localIdentity));
};

/** @throws LocalError */
const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      recipient: { type: "string", multiple: true, default: [] },
      "encrypt-with": { type: "string" },
      to: { type: "string", default: backupsFolder },
      external: { type: "boolean", default: false },
    },
  });
  const { recipient: recipients, "encrypt-with": command, to: folder, external } = values;
  if (external && recipients.length === 0 && command === undefined)
    throw new LocalError("--external needs --recipient or --encrypt-with");
  const { name, databaseUrl } = await readTarget(external);
  processTerminal.note(name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const dump = Readable.from(dumpOf(databaseUrl));
  const path = join(folder, `${timestamp(new Date())}${command === undefined ? SUFFIX : ".dump.encrypted"}`);
  const keys = recipients.length > 0 || external ? recipients : [await localRecipient()];
  await writeComplete(
    path,
    command === undefined ? encrypted(dump, keys) : outputOf("/bin/sh", ["-c", command], { input: dump }),
  );
  processTerminal.print(path);
  processTerminal.note(`${(await stat(path)).size} bytes`);
};

/** Prints why a command failed, and its usage if it was called wrongly. */
export const reportFailure = (error: unknown, usage: string): void => {
  const message = error instanceof Error ? error.message : String(error);
  processTerminal.fail(isUsageError(error) ? `${message}\nusage: ${usage}` : message);
  process.exitCode = EXIT.failure;
};

if (import.meta.main) {
  useOwnEnvironment();
  await run(process.argv.slice(2)).catch((error: unknown) => reportFailure(error, USAGE));
}
