/** Operators' commands, and the files of backups. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import * as z from "zod/mini";
import {
  createIdentity,
  decrypted,
  encrypted,
  readIdentity,
  recipientOf,
  runBackupFile,
  writeComplete,
} from "../../../src/origin/admin/backup-file.ts";
import { nearTexts } from "../mutate.ts";
import { defineTarget, must, mustEqual } from "../target.ts";

const backupInput = z.object({
  plain: z.string(),
  /** At which byte, and what it becomes. */
  changes: z.array(z.tuple([z.number(), z.number()])),
  cutBytes: z.number(),
  identity: z.string(),
});

const whole = async (bytes: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
};

export const backups = defineTarget({
  name: "backups",
  files: ["origin/admin/backup-file.ts"],
  schema: backupInput,
  inputs: (seeds) =>
    fc.record({
      plain: nearTexts(seeds.map(({ plain }) => plain)),
      changes: fc.array(
        fc.tuple(fc.oneof(fc.nat({ max: 250 }), fc.nat({ max: 0xffff })), fc.nat({ max: 255 })),
        {
          maxLength: 3,
        },
      ),
      cutBytes: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat({ max: 300 })),
      identity: nearTexts(seeds.map(({ identity }) => identity)),
    }),
  start: async () => {
    const folder = await mkdtemp(join(tmpdir(), "breakwater-fuzz-"));
    const path = join(folder, "identity");
    await writeFile(path, await createIdentity());
    const identity = await readIdentity(path);
    const recipient = await recipientOf(identity);
    return {
      run: async ({ plain, changes, cutBytes, identity: text }) => {
        const sealed = await whole(encrypted(Readable.from([Buffer.from(plain)]), [recipient]));
        const changed = Buffer.from(sealed.subarray(0, Math.max(0, sealed.byteLength - cutBytes)));
        for (const [place, value] of changes) changed[place % Math.max(1, changed.byteLength)] = value;
        const opened = await whole(decrypted(Readable.from([changed]), identity)).catch((error: unknown) => {
          must(error instanceof Error, "an error of another kind");
          return undefined;
        });
        if (changed.equals(sealed)) mustEqual(opened?.toString(), Buffer.from(plain).toString(), "a backup");
        else must(opened === undefined, "a changed file that opens");
        const file = join(folder, "backup.age");
        const lines: string[] = [];
        const terminal = {
          print: (line: string) => void lines.push(line),
          note: () => undefined,
          fail: () => undefined,
        };
        await writeComplete(file, Readable.from([changed]));
        const keyFile = join(folder, "key");
        await writeFile(keyFile, identity);
        const run = (...args: string[]): Promise<number> => runBackupFile(args, terminal);
        const decryptedCode = await run("decrypt", file, join(folder, "plain"), "--identity", keyFile);
        mustEqual(decryptedCode === 0, changed.equals(sealed), "the exit code");
        mustEqual(await run("encrypt", file, folder, "--recipient", recipient), 0, "the exit code");
        for (const made of lines) await rm(made);
        for (const args of [[text], ["encrypt", file, folder, "--recipient", text], [text, file, folder]])
          must((await run(...args)) !== 0, "wrong arguments");
        await writeFile(path, text);
        const other = await readIdentity(path).catch(() => undefined);
        if (other !== undefined)
          await recipientOf(other).catch((error: unknown) => must(error instanceof Error, "no error"));
      },
      stop: () => rm(folder, { recursive: true, force: true }),
    };
  },
});
