/** What is said about a key of the file that the table does not have. */
import { allKeys } from "./configuration.ts";
import { nearest } from "./nearest.ts";

/** The section and the name in it of a key such as `server.port`. */
const split = (file: string): readonly [section: string | undefined, name: string] => {
  const [first = "", second] = file.split(".");
  return second === undefined ? [undefined, first] : [first, second];
};

/** The sections, and the keys at the top. */
export const topNames: readonly string[] = [...new Set(allKeys.map(({ file }) => file.split(".")[0] ?? ""))];

/** The keys of a section; none where there is no such section. */
export const namesIn = (section: string): readonly string[] =>
  allKeys.map(({ file }) => split(file)).flatMap(([of, name]) => (of === section ? [name] : []));

/** Such as "port in server", for a key that stands at the wrong place. */
const elsewhere = (name: string): string | undefined => {
  const found = allKeys.filter(({ file }) => file === name || split(file)[1] === name);
  const [section, key] = split(found.length === 1 ? (found[0]?.file ?? "") : "");
  return key === "" ? undefined : section === undefined ? `${key} at the top` : `${key} in ${section}`;
};

/** @param section undefined at the top of the file */
export const unknownKey = (section: string | undefined, name: string): string => {
  const names = section === undefined ? topNames : namesIn(section);
  const meant = nearest(name, names) ?? elsewhere(name);
  const all = `${section ?? "the file"} has ${names.join(", ")}`;
  return meant === undefined ? `is not known: ${all}` : `is not known: did you mean ${meant}? ${all}`;
};
