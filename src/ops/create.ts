/**
 * `npm run create -- NAME`: makes a clone of the template your project. It gives the project its name, leaves out the parts
 * that you do not want, and removes itself. Nothing is committed.
 */
import { spawnSync } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as z from "zod/mini";
import { describeError, LocalError } from "../local/local-error.ts";
import { keyPrefixOf, nameFault } from "./created/names.ts";
import { PARTS } from "./created/parts.ts";
import { type Choice, type Transformed, transform } from "./created/transform.ts";
import { linesOf, requireCleanTree, runGit } from "./git.ts";

const USAGE = `usage: npm run create -- NAME [--without PART]… [--check]
  NAME            of package, Worker, image and Kubernetes objects: lower-case letters, digits, hyphens
  --without PART  leaves out:
${Object.entries(PARTS)
  .map(([name, { title }]) => `                    ${name.padEnd(21)}${title}`)
  .join("\n")}
  --check         runs npm run types, npm run lint and npm test afterwards`;

const FORMAT_TIMEOUT_MS = 60_000;

const manifest = z.object({ name: z.string(), template: z.object({ name: z.optional(z.string()) }) });

/**
 * Changes the work tree, and commits nothing.
 *
 * @throws LocalError if the folder is no unchanged clone of the template
 */
export const create = async (folder: string, choice: Choice): Promise<Transformed> => {
  const { template } = manifest.parse(JSON.parse(await readFile(join(folder, "package.json"), "utf8")));
  if (template.name !== undefined) throw new LocalError(`this project is ${template.name} already`);
  await requireCleanTree(folder);
  const paths = linesOf(await runGit(folder, ["ls-files"]));
  const done = await transform({ folder, paths }, choice);
  await format(
    folder,
    done.changed.filter((path) => /\.(?:ts|json)$/.test(path) && path !== "package-lock.json"),
  );
  return done;
};

/** Lines are longer or shorter than with the template's name. @throws LocalError with the formatter's message */
const format = async (folder: string, paths: readonly string[]): Promise<void> => {
  const biome = join(folder, "node_modules/.bin/biome");
  await access(biome);
  const { status, stderr } = spawnSync(biome, ["format", "--write", ...paths], {
    cwd: folder,
    encoding: "utf8",
    timeout: FORMAT_TIMEOUT_MS,
  });
  if (status !== 0) throw new LocalError(`biome format failed: ${stderr.trim()}`);
};

const report = ({ name, without }: Choice, { changed, removed }: Transformed): string =>
  [
    `This project is ${name} now: ${changed.length} files have changed, ${removed.length} are removed.`,
    `  Worker ${name}-edge, image and Kubernetes objects ${name}, namespaces ${name}-production and others,`,
    `  API keys ${keyPrefixOf(name)}…, Redis keys ${name}:…, span attributes and dashboards of ${name}.`,
    ...without.map((part) => `  Without ${part}: ${PARTS[part]?.title}.`),
    "Next: npm cit, then git add --all && git commit. To go back: git reset --hard && git clean -d --force",
    "The text of README.md is yours to write; docs/your-api.md shows how to go on.",
  ].join("\n");

const check = (folder: string): number => {
  for (const script of ["types", "lint", "test"]) {
    const { status } = spawnSync("npm", ["run", script], { cwd: folder, stdio: "inherit" });
    if (status !== 0) return status ?? 1;
  }
  return 0;
};

/** @returns what is wrong with the command line; undefined if nothing is */
const usageFault = (names: readonly string[], without: readonly string[]): string | undefined => {
  const [name, ...others] = names;
  if (name === undefined || others.length > 0) return "exactly one NAME is needed";
  const fault = nameFault(name);
  if (fault !== undefined) return `${name} cannot be the name: ${fault}`;
  const unknown = without.find((part) => !Object.hasOwn(PARTS, part));
  return unknown === undefined ? undefined : `there is no part ${unknown}: ${Object.keys(PARTS).join(", ")}`;
};

const main = async (): Promise<number> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      without: { type: "string", multiple: true, default: [] },
      check: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const fault = values.help ? undefined : usageFault(positionals, values.without);
  const [name = ""] = positionals;
  if (values.help || positionals.length === 0) {
    process.stdout.write(`${USAGE}\n`);
    return values.help ? 0 : 2;
  }
  if (fault !== undefined) {
    process.stderr.write(`✗ ${fault}\n`);
    return 2;
  }
  const folder = process.cwd();
  const choice = { name, without: [...new Set(values.without)] };
  process.stdout.write(`${report(choice, await create(folder, choice))}\n`);
  return values.check ? check(folder) : 0;
};

if (import.meta.main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    process.stderr.write(`✗ ${describeError(error)}\n`);
    process.exitCode = 1;
  }
}
