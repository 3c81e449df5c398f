import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { upgrade } from "../../src/ops/upgrade.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "breakwater-upgrade-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const AUTHOR = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
const git = (repository: string, ...args: string[]): string =>
  execFileSync("git", [...AUTHOR, ...args], { cwd: join(folder, repository), encoding: "utf8" });

type Files = Readonly<Record<string, string | null>>;

/** Writes the files, removes those that are null, and commits. */
const commit = async (repository: string, files: Files): Promise<void> => {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, repository, name);
    await mkdir(dirname(path), { recursive: true });
    if (text === null) await rm(path);
    else await writeFile(path, text);
  }
  git(repository, "add", "--all");
  git(repository, "commit", "--quiet", "--message", "change");
};

/** @param name of a project that `create` has made */
const packageJson = (version: string, name?: string): string => {
  const created = name === undefined ? {} : { name, without: [] };
  const template = { ...created, version, yours: ["src/api", "wrangler.toml"] };
  return `${JSON.stringify({ name: name ?? "breakwater", version, template }, null, 2)}\n`;
};

const PLATFORM = ["one", "two", "three", "four", "five", "six", "seven"];
const platform = (changes: Readonly<Record<string, string>> = {}): string =>
  `${PLATFORM.map((line) => changes[line] ?? line).join("\n")}\n`;

const FIRST: Files = {
  "package.json": packageJson("0.1.0"),
  "src/guard.ts": platform(),
  "src/old.ts": "old\n",
  "src/api/shop.ts": "shop\n",
  "wrangler.toml": "host\n",
};
const SECOND: Files = {
  "package.json": packageJson("0.2.0"),
  "src/guard.ts": platform({ two: "two, safer" }),
  "src/new.ts": "new\n",
  "src/old.ts": null,
  "src/api/shop.ts": "shop, improved\n",
  "wrangler.toml": "host, improved\n",
};

/** A template with two versions, and a repository that was made from the first, without its history. */
const prepare = async (ownFiles: Files): Promise<void> => {
  for (const repository of ["template", "own"]) {
    await mkdir(join(folder, repository));
    git(repository, "init", "--quiet", "--initial-branch", "main");
    await commit(repository, FIRST);
  }
  git("template", "tag", "v0.1.0");
  await commit("template", SECOND);
  git("template", "tag", "v0.2.0");
  await commit("own", ownFiles);
  git("own", "remote", "add", "template", join(folder, "template"));
};

const run = (to = "v0.2.0") => upgrade({ folder: join(folder, "own"), to, remote: "template" });
const read = (name: string): Promise<string> => readFile(join(folder, "own", name), "utf8");

const OWN: Files = {
  "src/api/shop.ts": null,
  "src/api/todo.ts": "to do\n",
  "wrangler.toml": "own host\n",
};

describe("an upgrade", () => {
  test("brings the platform's changes, and keeps what is yours, without a common history", async () => {
    await prepare({ ...OWN, "src/guard.ts": platform({ seven: "seven, our way" }) });
    const { from, changed, conflicts } = await run();
    expect({ from, conflicts }).toEqual({ from: "v0.1.0", conflicts: [] });
    expect(changed.toSorted()).toEqual(["package.json", "src/guard.ts", "src/new.ts", "src/old.ts"]);
    expect(await read("src/guard.ts")).toBe(platform({ two: "two, safer", seven: "seven, our way" }));
    expect(await read("wrangler.toml")).toBe("own host\n");
    expect(git("own", "ls-files", "src/api").trim()).toBe("src/api/todo.ts");
  });

  test("also brings the template's changes of a path of yours that you have not changed", async () => {
    await prepare({ "src/api/shop.ts": null, "src/api/todo.ts": "to do\n" });
    const { conflicts } = await run();
    expect(conflicts).toEqual([]);
    expect(await read("wrangler.toml")).toBe("host, improved\n");
    expect(git("own", "ls-files", "src/api").trim()).toBe("src/api/todo.ts");
  });

  test("leads to the version from which the next one starts", async () => {
    await prepare(OWN);
    await run();
    expect(JSON.parse(await read("package.json"))).toMatchObject({ template: { version: "0.2.0" } });
  });

  test("gives the project's name to the template's changes, without conflicts beside renamed lines", async () => {
    await prepare({ ...OWN, "package.json": packageJson("0.3.0", "own"), "src/named.ts": '// "own"\n' });
    for (const [version, text] of [
      ["0.3.0", '// "breakwater"\n'],
      ["0.4.0", '// "breakwater", and more\n'],
    ] as const) {
      await commit("template", { "package.json": packageJson(version), "src/named.ts": text });
      git("template", "tag", `v${version}`);
    }
    const options = { folder: join(folder, "own"), remote: "template" };
    const { conflicts } = await upgrade({ ...options, from: "v0.3.0", to: "v0.4.0" });
    expect(conflicts).toEqual([]);
    expect(await read("src/named.ts")).toBe('// "own", and more\n');
  });

  test("marks conflicts in the platform's files as git does", async () => {
    await prepare({ ...OWN, "src/guard.ts": platform({ two: "two, our way" }) });
    const { conflicts } = await run();
    expect(conflicts).toEqual(["src/guard.ts"]);
    const text = await read("src/guard.ts");
    expect(text).toMatch(/<{7}.*\ntwo, our way\n={7}\ntwo, safer\n>{7}/);
  });

  test("takes the template's lock file in a conflict, for npm to complete", async () => {
    await prepare({ ...OWN, "package-lock.json": "own\n" });
    await commit("template", { "package-lock.json": "theirs\n" });
    git("template", "tag", "v0.3.0");
    const { conflicts } = await run("v0.3.0");
    expect(conflicts).toEqual([]);
    expect(await read("package-lock.json")).toBe("theirs\n");
  });

  test("refuses a work tree with changes", async () => {
    await prepare(OWN);
    await writeFile(join(folder, "own", "src/guard.ts"), "not committed\n");
    await expect(run()).rejects.toThrow("the work tree has changes");
    expect(await read("src/guard.ts")).toBe("not committed\n");
  });

  test("to a version that does not exist changes nothing, and names it", async () => {
    await prepare(OWN);
    await expect(run("v9.9.9")).rejects.toThrow("v9.9.9");
    expect(git("own", "status", "--porcelain")).toBe("");
  });
});
