/** Makes a project of the template's files: leaves parts out, and gives it its name. */
import { mkdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isSystemError, LocalError } from "../../local/local-error.ts";
import { renamed, renamedPath } from "./names.ts";
import { CREATE, type Edit, PARTS, type Part } from "./parts.ts";

export interface Choice {
  readonly name: string;
  /** Names of `PARTS`. */
  readonly without: readonly string[];
}

export interface Files {
  readonly folder: string;
  /** Relative to the folder. */
  readonly paths: readonly string[];
}

export interface Transformed {
  /** Of the files that are left. */
  readonly paths: readonly string[];
  /** Those of them with another path or text. */
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** @returns whether the text is another one now */
const change = async (file: string, edit: (text: string) => string): Promise<boolean> => {
  const text = await readFile(file, "utf8");
  const edited = edit(text);
  if (edited !== text) await writeFile(file, edited);
  return edited !== text;
};

/** Removes folders that are empty now. */
const removeEmpty = async (folder: string, path: string): Promise<void> => {
  for (let parent = dirname(path); parent !== "."; parent = dirname(parent))
    try {
      await rmdir(join(folder, parent));
    } catch (error) {
      if (isSystemError(error, "ENOTEMPTY") || isSystemError(error, "EEXIST")) return;
      throw error;
    }
};

const move = async (folder: string, from: string, to: string): Promise<void> => {
  await mkdir(dirname(join(folder, to)), { recursive: true });
  await rename(join(folder, from), join(folder, to));
  await removeEmpty(folder, from);
};

/** @returns the most specific of the places that is the path, or a folder that contains it */
const placeOf = (path: string, places: readonly string[]): string | undefined =>
  places
    .filter((place) => path === place || path.startsWith(`${place}/`))
    .toSorted((a, b) => b.length - a.length)[0];

const isRemoved = (path: string, { removed, kept = [] }: Part): boolean =>
  removed.includes(placeOf(path, [...removed, ...kept]) ?? "");

const movedPath = (path: string, { moved = {} }: Part): string => {
  const place = placeOf(path, Object.keys(moved));
  return place === undefined ? path : `${moved[place]}${path.slice(place.length)}`;
};

/** Files of this folder have the names in the template as data. */
const isOfOps = (path: string): boolean => placeOf(path, ["src/ops", "test/ops"]) !== undefined;

/** @throws LocalError if a file has another text, unless this version of the template may differ */
const applyEdits = async (
  { folder, paths }: Files,
  edits: readonly Edit[],
  mayDiffer: boolean,
): Promise<void> => {
  for (const { path, from, to = "" } of edits) {
    if (!paths.includes(path)) continue;
    const isDone = await change(join(folder, path), (text) => text.replace(from, () => to));
    if (!isDone && !mayDiffer) throw new LocalError(`${path} is not the template's: it has no ${from}`);
  }
};

const leaveOut = async ({ folder, paths }: Files, part: Part, mayDiffer: boolean): Promise<string[]> => {
  for (const path of paths) {
    if (!isRemoved(path, part)) continue;
    await rm(join(folder, path));
    await removeEmpty(folder, path);
  }
  const left = paths.filter((path) => !isRemoved(path, part));
  for (const path of left) {
    const to = movedPath(path, part);
    if (to !== path) await move(folder, path, to);
  }
  const now = left.map((path) => movedPath(path, part));
  const moves = Object.entries(part.moved ?? {});
  if (moves.length > 0)
    for (const path of now)
      if (!isOfOps(path))
        await change(join(folder, path), (text) =>
          moves.reduce((changed, [from, to]) => changed.replaceAll(from, to), text),
        );
  await applyEdits({ folder, paths: now }, part.edits ?? [], mayDiffer);
  return now;
};

const partsOf = ({ without }: Choice): Part[] => {
  const parts = without.flatMap((name) => PARTS[name] ?? []);
  return [...parts.filter(({ within = "" }) => !without.includes(within)), CREATE];
};

/** package.json records the choice, for `upgrade`. */
const withChoice = (text: string, { name, without }: Choice): string => {
  const manifest = JSON.parse(text);
  return `${JSON.stringify({ ...manifest, template: { name, without, ...manifest.template } }, null, 2)}\n`;
};

/**
 * Changes the files in their folder.
 *
 * @param mayDiffer whether the template's version may be another one than this program's
 * @throws LocalError if a text that a part edits is missing
 */
export const transform = async (files: Files, choice: Choice, mayDiffer = false): Promise<Transformed> => {
  const { folder } = files;
  const before = new Map<string, string>();
  for (const path of files.paths) before.set(path, await readFile(join(folder, path), "latin1"));
  let { paths } = files;
  for (const part of partsOf(choice)) paths = await leaveOut({ folder, paths }, part, mayDiffer);

  for (const path of paths) {
    const { name } = choice;
    await change(join(folder, path), (text) => renamed(text, { path, name }));
    if (renamedPath(path, name) !== path) await move(folder, path, renamedPath(path, name));
  }
  paths = paths.map((path) => renamedPath(path, choice.name));
  await change(join(folder, "package.json"), (text) => withChoice(text, choice));

  const changed: string[] = [];
  for (const path of paths)
    if (before.get(path) !== (await readFile(join(folder, path), "latin1"))) changed.push(path);
  const left = new Set(paths);
  return { paths, changed, removed: files.paths.filter((path) => !left.has(path)) };
};
