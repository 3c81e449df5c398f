/** The message about an unknown key of the file, with the nearest known one. */
import { allKeys } from "./schema.ts";

/** The sections, and the keys at the top of the file. */
export const sectionNames: readonly string[] = [
  ...new Set(allKeys.map(({ file }) => file.replace(/\..*/, ""))),
];

/** Case and separators are often confused: `maxConnections`, `max-connections`. */
const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, "");

/** The number of letters to add, remove or replace (Levenshtein). */
export const editDistance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1];
    for (const [column, above] of row.slice(1).entries()) {
      const replaced = (row[column] ?? 0) + (letter === b[column] ? 0 : 1);
      next.push(Math.min(replaced, above + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
};

/** The nearest of the names, if at most half of its letters differ, and at most three. */
export const nearest = (name: string, names: readonly string[]): string | undefined =>
  names
    .map((each) => ({ each, distance: editDistance(plain(name), plain(each)) }))
    .filter(({ each, distance }) => distance <= Math.min(3, Math.floor(each.length / 2)))
    .sort((a, b) => a.distance - b.distance)[0]?.each;

/** A key of this name at another place of the file, such as "port in server". */
const elsewhere = (name: string): string | undefined =>
  allKeys
    .find(({ file }) => file === name || file.endsWith(`.${name}`))
    ?.file.split(".")
    .reverse()
    .join(" in ");

/** @param section undefined at the top of the file */
export const unknownKey = (section: string | undefined, name: string): string => {
  const prefix = `${section}.`;
  const names =
    section === undefined
      ? sectionNames
      : allKeys.flatMap(({ file }) => (file.startsWith(prefix) ? [file.slice(prefix.length)] : []));
  const meant = nearest(name, names) ?? elsewhere(name);
  const question = meant === undefined ? "" : ` did you mean ${meant}?`;
  return `is not known:${question} ${section ?? "the file"} has ${names.join(", ")}`;
};
