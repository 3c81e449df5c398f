/**
 * `npm run upgrade -- TAG`: merges a later version of the template into this repository. package.json says from which version
 * the repository comes, and which paths are yours: the merge touches none of them that you have changed. It works without a
 * common history, because the version that you come from is the merge's base. What `create` changed is changed in both versions before the merge, so
 * that it conflicts with nothing.
 */
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as z from "zod/mini";
import { describeError } from "../local/local-error.ts";
import { type Choice, transform } from "./created/transform.ts";
import { linesOf, requireCleanTree, runGit } from "./git.ts";

const USAGE = `usage: npm run upgrade -- TAG [--remote NAME] [--from TAG]
  TAG             the version to upgrade to, such as v0.2.0
  --remote NAME   where it is fetched from, if it is not here (default template)
  --from TAG      the version that this repository comes from (default: template.version in package.json)`;

/** Conflicts in it are resolved by npm. */
const LOCK_FILE = "package-lock.json";

const manifest = z.object({
  template: z.object({
    /** Without the tag's `v`. */
    version: z.string(),
    /** Files and folders. */
    yours: z.array(z.string()),
    /** What `create` was asked for; missing if it was not run. */
    name: z.optional(z.string()),
    without: z._default(z.array(z.string()), []),
  }),
});

export interface UpgradeOptions {
  /** Of the repository. */
  readonly folder: string;
  readonly to: string;
  /** @default by `template.version` in package.json */
  readonly from?: string | undefined;
  readonly remote: string;
}

export interface Upgrade {
  readonly from: string;
  /** Changed, added and removed files, in the index and the work tree. */
  readonly changed: readonly string[];
  /** With git's markers, for you to resolve. */
  readonly conflicts: readonly string[];
}

/**
 * Merges into the index and the work tree, and commits nothing.
 *
 * @throws LocalError if the work tree has changes, or a version is not found
 */
export const upgrade = async ({ folder, to, remote, ...options }: UpgradeOptions): Promise<Upgrade> => {
  const git = (...args: string[]) => runGit(folder, args);
  const { template } = manifest.parse(JSON.parse(await readFile(join(folder, "package.json"), "utf8")));
  const from = options.from ?? `v${template.version}`;
  await requireCleanTree(folder);

  const commitOf = async (tag: string): Promise<string> => {
    const find = ["rev-parse", "--verify", "--quiet", `refs/tags/${tag}^{commit}`];
    const local = await runGit(folder, find, { allowed: [0, 1] });
    if (local.code === 0) return local.stdout.trim();
    await git("fetch", "--quiet", "--no-tags", remote, `refs/tags/${tag}:refs/tags/${tag}`);
    return (await git(...find)).stdout.trim();
  };
  const { name, without, yours } = template;
  const own = (commit: string) =>
    name === undefined ? commit : asCreated(folder, commit, { name, without });
  const base = await own(await commitOf(from));
  /** What you have not changed is still the template's. */
  const changedPaths: string[] = [];
  for (const path of yours) {
    const { code } = await runGit(folder, ["diff", "--quiet", base, "HEAD", "--", path], { allowed: [0, 1] });
    if (code === 1) changedPaths.push(path);
  }
  const later = await own(await commitOf(to));
  const target =
    changedPaths.length === 0
      ? later
      : await withoutYours(folder, { base, target: later, yours: changedPaths });

  const merging = await runGit(folder, ["merge-recursive", base, "--", "HEAD", target], { allowed: [0, 1] });
  if (merging.code !== 0)
    await runGit(folder, ["checkout", "--theirs", "--", LOCK_FILE], { allowed: [0, 1] });
  const unmerged = linesOf(await git("diff", "--name-only", "--diff-filter=U"));
  if (unmerged.includes(LOCK_FILE)) await git("add", LOCK_FILE);
  return {
    from,
    changed: linesOf(await git("diff", "--name-only", "HEAD")),
    conflicts: unmerged.filter((path) => path !== LOCK_FILE),
  };
};

/** Calls `use` with a temporary folder, and with git's environment for an index in it. */
const withIndex = async <T>(
  use: (temporary: string, environment: NodeJS.ProcessEnv) => Promise<T>,
): Promise<T> => {
  const temporary = await mkdtemp(join(tmpdir(), "breakwater-upgrade-"));
  const environment = {
    GIT_INDEX_FILE: join(temporary, "index"),
    GIT_AUTHOR_NAME: "upgrade",
    GIT_AUTHOR_EMAIL: "upgrade@localhost",
    GIT_COMMITTER_NAME: "upgrade",
    GIT_COMMITTER_EMAIL: "upgrade@localhost",
  };
  try {
    return await use(temporary, environment);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
};

/** @returns a commit like this one of the template, changed as `create` did, so that its changes are in both versions */
const asCreated = (folder: string, commit: string, choice: Choice): Promise<string> =>
  withIndex(async (temporary, environment) => {
    const tree = join(temporary, "tree");
    await mkdir(tree);
    const gitDir = (await runGit(folder, ["rev-parse", "--absolute-git-dir"])).stdout.trim();
    const inTree = { ...environment, GIT_DIR: gitDir, GIT_WORK_TREE: tree };
    const git = (...args: string[]) => runGit(tree, args, { environment: inTree });
    await git("read-tree", commit);
    await git("checkout-index", "--all");
    await transform({ folder: tree, paths: linesOf(await git("ls-files")) }, choice, true);
    await git("add", "--all", "--force");
    const changed = (await git("write-tree")).stdout.trim();
    return (await git("commit-tree", changed, "-p", commit, "-m", "the template as created")).stdout.trim();
  });

/** @returns a commit like the target, but with your paths as in the base, so that the merge finds no change there */
const withoutYours = (
  folder: string,
  { base, target, yours }: { base: string; target: string; yours: readonly string[] },
): Promise<string> =>
  withIndex(async (_, environment) => {
    const git = (...args: string[]) => runGit(folder, args, { environment });
    await git("read-tree", target);
    await git("rm", "-r", "--force", "--cached", "--quiet", "--ignore-unmatch", "--", ...yours);
    for (const entry of linesOf(await git("ls-tree", "-r", base, "--", ...yours))) {
      const [info = "", path = ""] = entry.split("\t");
      const [mode = "", , object = ""] = info.split(" ");
      await git("update-index", "--add", "--cacheinfo", `${mode},${object},${path}`);
    }
    const tree = (await git("write-tree")).stdout.trim();
    return (
      await git("commit-tree", tree, "-p", base, "-m", "the template without your paths")
    ).stdout.trim();
  });

const report = ({ from, changed, conflicts }: Upgrade, to: string): string =>
  [
    `${from} → ${to}: ${changed.length} files have changed, none of them yours.`,
    ...(conflicts.length === 0
      ? []
      : [
          `${conflicts.length} with conflicts, which git has marked:`,
          ...conflicts.map((path) => `  ${path}`),
        ]),
    "Next: npm install && npm run types && npm test, then commit. To go back: git reset --hard",
  ].join("\n");

const main = async (): Promise<number> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      remote: { type: "string", default: "template" },
      from: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const [to, ...others] = positionals;
  if (values.help || to === undefined || others.length > 0) {
    process.stdout.write(`${USAGE}\n`);
    return values.help ? 0 : 2;
  }
  const done = await upgrade({ folder: process.cwd(), to, from: values.from, remote: values.remote });
  process.stdout.write(`${report(done, to)}\n`);
  return done.conflicts.length === 0 ? 0 : 1;
};

if (import.meta.main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    process.stderr.write(`✗ ${describeError(error)}\n`);
    process.exitCode = 1;
  }
}
