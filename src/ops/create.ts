/**
 * `npm run create -- NAME`: makes a clone of the template your project. It gives the project its name, leaves out the parts
 * that you do not want, and removes itself. Nothing is committed.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
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
/** Exit code. */
const USAGE_FAULT = 2;

const manifest = z.object({ name: z.string(), template: z.object({ name: z.optional(z.string()) }) });

/**
 * Changes the index and the work tree, and commits nothing.
 *
 * @throws LocalError if the folder is no unchanged clone of the template
 */
export const create = async (folder: string, choice: Choice): Promise<Transformed> => {
  const { template } = manifest.parse(JSON.parse(await readFile(join(folder, "package.json"), "utf8")));
  if (template.name !== undefined) throw new LocalError(`this project is ${template.name} already`);
  const biome = join(folder, "node_modules/.bin/biome");
  if (!existsSync(biome)) throw new LocalError("packages are missing: run npm ci first");
  await requireCleanTree(folder);
  const paths = linesOf(await runGit(folder, ["ls-files"]));
  const done = await transform({ folder, paths }, choice);
  format(
    biome,
    folder,
    done.changed.filter((path) => /\.(?:ts|json)$/.test(path) && path !== "package-lock.json"),
  );
  // Tests read the list of files from the index.
  await runGit(folder, ["add", "--all"]);
  return done;
};

/** Lines are longer or shorter than with the template's name. @throws LocalError with the formatter's message */
const format = (biome: string, folder: string, paths: readonly string[]): void => {
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
    "Next: npm cit, then git commit. To go back: git reset --hard",
    "The text of README.md is yours to write; docs/your-api.md shows how to go on.",
  ].join("\n");

const check = (folder: string): number => {
  for (const script of ["types", "lint", "test"]) {
    const { status } = spawnSync("npm", ["run", script], { cwd: folder, stdio: "inherit" });
    if (status !== 0) return status ?? 1;
  }
  return 0;
};

type CommandLine =
  | { readonly fault: string }
  | { readonly help: true }
  | (Choice & { readonly check: boolean });

/** What the command line asks for, or what is wrong with it. */
const readCommandLine = (args: readonly string[]): CommandLine => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      without: { type: "string", multiple: true, default: [] },
      check: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const [name, ...others] = positionals;
  if (values.help) return { help: true };
  if (name === undefined || others.length > 0) return { fault: "exactly one NAME is needed (--help)" };
  const fault = nameFault(name);
  if (fault !== undefined) return { fault: `${name} cannot be the name: ${fault}` };
  const unknown = values.without.find((part) => !Object.hasOwn(PARTS, part));
  if (unknown !== undefined)
    return { fault: `there is no part ${unknown}: use ${Object.keys(PARTS).join(", ")}` };
  return { name, without: [...new Set(values.without)], check: values.check };
};

const main = async (args: readonly string[]): Promise<number> => {
  const line = readCommandLine(args);
  if ("fault" in line) {
    process.stderr.write(`✗ ${line.fault}\n`);
    return USAGE_FAULT;
  }
  if ("help" in line) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const folder = process.cwd();
  process.stdout.write(`${report(line, await create(folder, line))}\n`);
  return line.check ? check(folder) : 0;
};

/** Node's codes for options that `parseArgs` does not accept. */
const isUsageError = (error: unknown): boolean =>
  error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS_");

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`✗ ${describeError(error)}\n`);
    process.exitCode = isUsageError(error) ? USAGE_FAULT : 1;
  }
}
