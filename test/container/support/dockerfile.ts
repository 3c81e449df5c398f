/** The last stage of container/Dockerfile. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../../../src/local/state-dir.ts";

export interface FinalStage {
  /** Sources in the context or the build stage, and their places in the image. */
  readonly copies: readonly { readonly source: string; readonly to: string }[];
  readonly environment: Readonly<Record<string, string>>;
  readonly user: string;
  readonly ports: readonly number[];
  readonly command: readonly string[];
  readonly healthCheck: readonly string[];
}

const jsonWords = (text: string): string[] => {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value) || !value.every((word) => typeof word === "string"))
    throw new Error(`not in exec form: ${text}`);
  return value;
};

/** @throws Error if an instruction is missing, or not in exec form */
export const readFinalStage = (): FinalStage => {
  const lines = readFileSync(join(projectFolder, "container/Dockerfile"), "utf8")
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n");
  const stage = lines.slice(lines.findLastIndex((line) => line.startsWith("FROM ")));
  const all = (word: string): string[] =>
    stage.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  const one = (word: string): string => {
    const [text] = all(word);
    if (text === undefined) throw new Error(`the last stage has no ${word}`);
    return text;
  };
  const folder = one("WORKDIR");
  return {
    copies: all("COPY").map((text) => {
      const [, source = "", to = ""] = /^(?:--from=\S+ )?(\S+) (\S+)$/.exec(text) ?? [];
      const place = to === "./" ? (source.split("/").at(-1) ?? "") : to;
      return { source, to: join(folder, place) };
    }),
    environment: Object.fromEntries(
      [...one("ENV").matchAll(/(\w+)=("[^"]*"|\S+)/g)].map(([, name = "", value = ""]) => [
        name,
        value.replaceAll('"', ""),
      ]),
    ),
    user: one("USER"),
    ports: one("EXPOSE").split(" ").map(Number),
    command: jsonWords(one("CMD")),
    healthCheck: jsonWords(/CMD (\[.*\])/.exec(one("HEALTHCHECK"))?.[1] ?? ""),
  };
};
