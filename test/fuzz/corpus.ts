/** The inputs that are kept: valid ones to begin with, and each one that once failed. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod/mini";

const folder = fileURLToPath(new URL("corpus/", import.meta.url));

/** A larger input is printed, and not kept. */
const MAX_KEPT_LENGTH = 32 * 1024;

export interface Corpus<Input> {
  readonly seeds: readonly Input[];
  readonly found: readonly Input[];
}

const read = async (path: string): Promise<readonly unknown[]> => {
  try {
    return z.array(z.unknown()).parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
};

/** @throws Error if an input is not of the target's form */
export const readCorpus = async <Input>(
  name: string,
  schema: z.ZodMiniType<Input>,
): Promise<Corpus<Input>> => {
  const inputs = async (file: string): Promise<Input[]> =>
    (await read(join(folder, name, file))).map((input) => schema.parse(input));
  return { seeds: await inputs("seeds.json"), found: await inputs("found.json") };
};

/** Adds inputs to those that once failed. @param inputs as JSON */
export const keep = async (name: string, inputs: readonly string[]): Promise<void> => {
  const path = join(folder, name, "found.json");
  const known = (await read(path)).map((input) => JSON.stringify(input));
  const kept = new Set([...known, ...inputs.filter(({ length }) => length <= MAX_KEPT_LENGTH)]);
  if (kept.size === known.length) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(
    path,
    `${JSON.stringify(
      [...kept].map((text): unknown => JSON.parse(text)),
      undefined,
      2,
    )}\n`,
  );
};
