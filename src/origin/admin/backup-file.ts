/**
 * Backups as files: dumps of PostgreSQL, encrypted with age (https://age-encryption.org/v1), so that the program `age` decrypts
 * them, too. What makes backups has only the public recipient; the identity that decrypts them is elsewhere.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { EXIT } from "../lifecycle/exit.ts";
import type { Terminal } from "./cli.ts";

/** Such as `20261130T215416Z`, in UTC: names sort by time. */
export const timestamp = (now: Date): string => now.toISOString().replaceAll(/[-:]|\.\d+/g, "");

export const SUFFIX = ".dump.age";

/** Only encrypting and decrypting needs the package, and an origin does neither. */
const age = () => import("age-encryption");

export type Bytes = AsyncIterable<Uint8Array>;

/** @throws Error if a recipient is invalid */
export async function* encrypted(plain: Readable, recipients: readonly string[]): Bytes {
  const encrypter = new (await age()).Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  yield* await encrypter.encrypt(Readable.toWeb(plain));
}

/** @throws Error if the identity does not match, or the file was changed or cut off */
export async function* decrypted(sealed: Readable, identity: string): Bytes {
  const decrypter = new (await age()).Decrypter();
  decrypter.addIdentity(identity);
  yield* await decrypter.decrypt(Readable.toWeb(sealed));
}

/** A new identity, as `age-keygen` writes it. */
export const createIdentity = async (): Promise<string> => {
  const { generateX25519Identity, identityToRecipient } = await age();
  const identity = await generateX25519Identity();
  return `# public key: ${await identityToRecipient(identity)}\n${identity}\n`;
};

/** The identity in a file of `age-keygen`. @throws Error if there is none */
export const readIdentity = async (path: string): Promise<string> => {
  const identity = /^AGE-SECRET-KEY-\S+$/m.exec(await readFile(path, "utf8"))?.[0];
  if (identity === undefined) throw new Error(`${path} has no line AGE-SECRET-KEY-…`);
  return identity;
};

export const recipientOf = async (identity: string): Promise<string> =>
  (await age()).identityToRecipient(identity);

/** Writes a file that appears under its name once it is complete. */
export const writeComplete = async (path: string, content: Bytes): Promise<void> => {
  const partial = `${path}.partial`;
  try {
    await pipeline(content, createWriteStream(partial, { mode: 0o600, flush: true }));
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
};

const USAGE = `usage: main.mjs backup encrypt DUMP FOLDER --recipient age1…
       main.mjs backup decrypt BACKUP DUMP --identity FILE`;

/** The steps of k8s/components/backup that neither PostgreSQL's image nor rclone's has. @returns the exit code */
export const runBackupFile = async (args: string[], { print, fail }: Terminal): Promise<number> => {
  try {
    const options = { recipient: { type: "string", multiple: true }, identity: { type: "string" } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const [action, from, to] = positionals;
    if (from === undefined || to === undefined) throw new Error("missing path");
    if (action === "encrypt" && values.recipient !== undefined) {
      const path = join(to, `${timestamp(new Date())}${SUFFIX}`);
      await writeComplete(path, encrypted(createReadStream(from), values.recipient));
      print(path);
    } else if (action === "decrypt" && values.identity !== undefined) {
      const identity = await readIdentity(values.identity);
      await writeComplete(to, decrypted(createReadStream(from), identity));
    } else throw new Error("missing action or key");
    return EXIT.stopped;
  } catch (error) {
    fail(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return EXIT.failure;
  }
};
