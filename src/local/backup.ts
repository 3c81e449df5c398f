/**
 * `npm run backup`: dumps the database of the running local system, or with `--external` that of DATABASE_URL, into an
 * encrypted file.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { Readable } from "node:stream";
import { parseArgs } from "node:util";
import {
  BACKUP_NAME,
  backupName,
  createIdentity,
  encrypted,
  readIdentity,
  recipientOf,
  writeComplete,
} from "../origin/admin/backup-file.ts";
import { processTerminal } from "../origin/admin/cli.ts";
import { EXIT } from "../origin/lifecycle/exit.ts";
import { useOwnEnvironment } from "./environment.ts";
import { LocalError } from "./local-error.ts";
import { dumpOf, outputOf } from "./postgres-client.ts";
import { stateDir } from "./state-dir.ts";
import { readTarget } from "./target.ts";

export const backupsFolder = join(stateDir, "backups");
export const localIdentity = join(stateDir, "backup-identity.txt");

const USAGE = `npm run backup -- [--recipient age1… …] [--encrypt-with COMMAND] [--to FOLDER] [--keep DAYS] [--external]
  --recipient     who can decrypt it; by default the identity in ${relative(process.cwd(), localIdentity)}
  --encrypt-with  a command that encrypts its input instead, such as "gpg --encrypt --recipient NAME"
  --to            default ${relative(process.cwd(), backupsFolder)}
  --keep          removes older backups of the folder afterwards @default 35`;

const DAY_MS = 86_400_000;

/** Created the first time. Such a backup does not outlive this machine's disk. */
const localRecipient = async (): Promise<string> => {
  if (!existsSync(localIdentity)) await writeFile(localIdentity, await createIdentity(), { mode: 0o600 });
  return await recipientOf(await readIdentity(localIdentity));
};

const removeOlder = async (folder: string, days: number): Promise<number> => {
  const names = (await readdir(folder)).filter((name) => BACKUP_NAME.test(name)).sort();
  let removed = 0;
  for (const path of names.slice(0, -1).map((name) => join(folder, name))) {
    if (Date.now() - (await stat(path)).mtimeMs < days * DAY_MS) continue;
    await rm(path);
    removed += 1;
  }
  return removed;
};

/** @throws LocalError */
const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      recipient: { type: "string", multiple: true, default: [] },
      "encrypt-with": { type: "string" },
      to: { type: "string", default: backupsFolder },
      keep: { type: "string", default: "35" },
      external: { type: "boolean", default: false },
    },
  });
  const { recipient: recipients, "encrypt-with": command, to: folder, external } = values;
  const days = Number(values.keep);
  if (!(days >= 1)) throw new LocalError(`--keep ${values.keep}: use a number of days`);
  if (external && recipients.length === 0 && command === undefined)
    throw new LocalError("--external needs --recipient or --encrypt-with");
  const { name, databaseUrl } = await readTarget(external);
  processTerminal.note(name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const dump = Readable.from(dumpOf(databaseUrl));
  const path = join(folder, backupName(new Date()));
  const keys = recipients.length > 0 || external ? recipients : [await localRecipient()];
  await writeComplete(
    path,
    command === undefined ? encrypted(dump, keys) : outputOf("/bin/sh", ["-c", command], { input: dump }),
  );
  const removed = await removeOlder(folder, days);
  processTerminal.print(path);
  processTerminal.note(
    `${(await stat(path)).size} bytes${removed > 0 ? `; ${removed} old ones removed` : ""}`,
  );
};

if (import.meta.main) {
  useOwnEnvironment();
  try {
    await run(process.argv.slice(2));
  } catch (error) {
    processTerminal.fail(error instanceof Error ? `${error.message}\nusage: ${USAGE}` : String(error));
    process.exitCode = EXIT.failure;
  }
}
