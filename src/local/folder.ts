/** Where the local system keeps what it keeps: a folder that git ignores. */
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const projectFolder = fileURLToPath(new URL("../../", import.meta.url));
export const localFolder = process.env["BREAKWATER_FOLDER"] ?? join(projectFolder, ".breakwater");

/** Made on first use; readable by its owner, and searchable by the user that PostgreSQL runs as. */
export const ensureLocalFolder = async (): Promise<void> => {
  await mkdir(localFolder, { recursive: true });
  await chmod(localFolder, 0o711);
};

const pathOf = (name: string): string => join(localFolder, name);

export const readJson = async (name: string): Promise<unknown> => {
  try {
    return JSON.parse(await readFile(pathOf(name), "utf8"));
  } catch {
    return undefined;
  }
};

/** Writes a file that only its owner may read. */
export const writeJson = async (name: string, value: unknown): Promise<void> => {
  await mkdir(dirname(pathOf(name)), { recursive: true });
  await writeFile(pathOf(name), `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
};

export const removeFile = (name: string): Promise<void> => rm(pathOf(name), { force: true, recursive: true });
