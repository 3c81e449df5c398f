import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { childEnvironment } from "../../src/local/environment.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { create } from "../../src/ops/create.ts";
import { nameFault, renamed } from "../../src/ops/created/names.ts";
import { PARTS } from "../../src/ops/created/parts.ts";
import { upgrade } from "../../src/ops/upgrade.ts";
import { readSteps } from "../support/documented-commands.ts";
import { isLong } from "../support/runtime.ts";

/** Of the tests of two created projects; others take seconds. */
const RUN_TIMEOUT_MS = 900_000;

const AUTHOR = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
const gitIn = (folder: string, ...args: string[]): string =>
  execFileSync("git", [...AUTHOR, ...args], { cwd: folder, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
const commitAll = (folder: string): void => {
  gitIn(folder, "add", "--all");
  gitIn(folder, "commit", "--quiet", "--message", "change");
};

/** A repository with the files of this work tree. */
let template: string;
beforeAll(async () => {
  // Below the project: the compiler names no types of packages that are linked from elsewhere.
  await mkdir(join(projectFolder, ".breakwater"), { recursive: true });
  template = await mkdtemp(join(projectFolder, ".breakwater/template-"));
  for (const path of gitIn(projectFolder, "ls-files").split("\n"))
    if (path !== "" && existsSync(join(projectFolder, path)))
      await cp(join(projectFolder, path), join(template, path), { mode: 1 });
  gitIn(template, "init", "--quiet", "--initial-branch", "main");
  commitAll(template);
  gitIn(template, "tag", "v0.1.0");
}, 60_000);
afterAll(() => rm(template, { recursive: true, force: true }));

/** A clone of it, with packages. */
const cloneTemplate = async (): Promise<string> => {
  const folder = await mkdtemp(join(projectFolder, ".breakwater/create-"));
  gitIn(folder, "clone", "--quiet", template, ".");
  await symlink(join(projectFolder, "node_modules"), join(folder, "node_modules"));
  // The template's .gitignore covers a folder, and this is a link.
  await writeFile(join(folder, ".git/info/exclude"), "/node_modules\n");
  return folder;
};

let folder: string;
const read = (path: string): string => readFileSync(join(folder, path), "utf8");
const status = (): string => gitIn(folder, "status", "--porcelain");
const files = (): string[] =>
  gitIn(folder, "ls-files", "--cached", "--others", "--exclude-standard")
    .split("\n")
    .filter((path) => path !== "" && existsSync(join(folder, path)));

const inClone = (): void => {
  beforeEach(async () => {
    folder = await cloneTemplate();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
};

const run = (cwd: string, ...args: string[]) =>
  spawnSync(process.execPath, [join(cwd, "src/ops/create.ts"), ...args], {
    cwd,
    env: childEnvironment([]),
    encoding: "utf8",
    timeout: RUN_TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
  });

describe("a name", () => {
  test.for([["a"], ["tidepool"], ["tide-pool-2"], ["a23456789012345678901234567"]])("can be %s", ([name]) => {
    expect(nameFault(name ?? "")).toBeUndefined();
  });

  test.for([
    ["", "lower-case letters"],
    ["Tidepool", "lower-case letters"],
    ["tide_pool", "lower-case letters"],
    ["@acme/tidepool", "lower-case letters"],
    ["2nd", "begin with a letter"],
    ["-a", "begin with a letter"],
    ["a-", "not end with a hyphen"],
    ["a234567890123456789012345678", "more than 27"],
    ["redis", "another program"],
    ["otel-collector", "another program"],
    ["breakwater", "the template has"],
  ] as const)("cannot be %j", ([name, fault]) => {
    expect(nameFault(name)).toContain(fault);
  });
});

describe("a text of the template", () => {
  const inSource = (text: string, name = "tide-pool"): string => renamed(text, { path: "src/a.ts", name });

  test.for([
    ['name: "breakwater-edge", "breakwater"', 'name: "tide-pool-edge", "tide-pool"'],
    ['"breakwater:" and `breakwater:auth_failure`', '"tide-pool:" and `tide-pool:auth_failure`'],
    ['"breakwater.cache.outcome"', '"tide_pool.cache.outcome"'],
    ["bwk_abc", "tidk_abc"],
    ["deployment/web-api", "deployment/tide-pool"],
    ["/var/log/pods/*_web-api-*/web-api/*.log", "/var/log/pods/*_tide-pool-*/tide-pool/*.log"],
    ["Breakwater is running.", "Tide Pool is running."],
    ["https://github.com/OWNER/breakwater/blob", "https://github.com/OWNER/tide-pool/blob"],
  ] as const)("gets the name: %s", ([before, after]) => {
    expect(inSource(before)).toBe(after);
  });

  test.for([
    ["Breakwater-Explain: limits"],
    ["breakwater-context"],
    ["BREAKWATER_FOLDER, .breakwater/postgres"],
    ['mkdtemp(join(tmpdir(), "breakwater-upgrade-"))'],
    ["git remote add template https://github.com/OWNER/breakwater.git"],
  ])("keeps %s", ([text]) => {
    expect(inSource(text ?? "")).toBe(text);
  });

  test("gets a name that contains the template's names once", () => {
    expect(inSource('"breakwater-edge" of web-api', "breakwater-web-api")).toBe(
      '"breakwater-web-api-edge" of breakwater-web-api',
    );
  });

  test("keeps measurements of the template", () => {
    const path = "docs/performance.md";
    expect(renamed("| **Breakwater** | 0.92 |", { path, name: "tidepool" })).toBe(
      "| **Breakwater** | 0.92 |",
    );
  });
});

/** `create` is for a fresh clone of the template, which has the shop. */
const isTemplate = existsSync(join(projectFolder, "test/shop"));

describe.skipIf(!isTemplate)("a created project", () => {
  beforeAll(async () => {
    folder = await cloneTemplate();
    await create(folder, { name: "tide-pool", without: [] });
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("has its name for package, Worker, manifests, API keys, Redis keys and dashboards", () => {
    const { name, template: recorded } = JSON.parse(read("package.json"));
    expect([name, JSON.parse(read("package-lock.json")).name]).toEqual(["tide-pool", "tide-pool"]);
    expect(recorded).toMatchObject({ name: "tide-pool", without: [], version: "0.1.0" });
    expect(read("wrangler.toml").match(/^name = .*/gm)).toEqual([
      'name = "tide-pool-edge"',
      'name = "tide-pool-edge-staging"',
      'name = "tide-pool-edge-production"',
      'name = "tide-pool-edge-compose"',
    ]);
    expect(read("k8s/overlays/production/namespace.yaml")).toContain("name: tide-pool-production\n");
    expect(read("k8s/kustomization.yaml")).toContain("newName: registry.example.com/tide-pool\n");
    expect(read("src/middleware/auth/api-keys.ts")).toContain("/^tidk_(");
    expect(read("src/origin/config/schema.ts")).toContain('"tide-pool:"');
    expect(read("k8s/components/dashboards/tide-pool-edge.json")).toContain('"title": "Tide Pool: edge"');
  });

  test("has the template's name only where nothing is named after the project", () => {
    const stays = [
      /^(CHANGELOG\.md|docs\/(decisions\/|performance\.md)|(src|test)\/ops\/|src\/local\/postgres\.ts|test\/bench\/)/,
      // Header fields of the tiers and for operators, the local system, temporary files.
      /breakwater-(explain|attempts?|limits|context|not-executed|route-busy|invalidated|blocklist-version|entry-|cursor)/i,
      /\.breakwater\b|BREAKWATER_|breakwater[-_]test|"breakwater-"|breakwater-\.\*|var\\?\/tmp\\?\/breakwater-/,
      /mkdtemp|OWNER\/breakwater\.git/,
    ];
    const left = files().flatMap((path) =>
      read(path)
        .split("\n")
        .filter((line) => /breakwater|web-api|bwk_/i.test(line))
        .map((line) => `${path}: ${line}`)
        .filter((line) => !stays.some((pattern) => pattern.test(line))),
    );
    expect(left).toEqual([]);
  });

  test("has no `create`", () => {
    expect(files().filter((path) => /ops\/(create\.|starter)/.test(path))).toEqual([]);
    expect(read("package.json")).not.toContain("create.ts");
    expect(read("tsconfig.json")).not.toContain("starter");
  });

  test("is formatted, although its lines have another length", () => {
    const changed = gitIn(folder, "diff", "--cached", "--name-only", "--diff-filter=AM").split("\n");
    const sources = changed.filter((path) => path.endsWith(".ts"));
    expect(sources.length).toBeGreaterThan(50);
    const biome = join(projectFolder, "node_modules/.bin/biome");
    expect(() => execFileSync(biome, ["format", ...sources], { cwd: folder, stdio: "pipe" })).not.toThrow();
  });

  test("is not created again", async () => {
    const before = status();
    await expect(create(folder, { name: "other", without: [] })).rejects.toThrow(
      "this project is tide-pool already",
    );
    expect(status()).toBe(before);
  });
});

describe.skipIf(!isTemplate)("create", () => {
  inClone();

  test("refuses a work tree with changes", async () => {
    await writeFile(join(folder, "README.md"), "changed\n");
    await expect(create(folder, { name: "tidepool", without: [] })).rejects.toThrow(
      "the work tree has changes",
    );
    expect(status()).toBe(" M README.md\n");
  });

  test.for([
    { without: ["k8s"] },
    { without: Object.keys(PARTS).filter((name) => !["shop", "k8s"].includes(name)) },
  ])("leaves out $without, with each of its edits", async ({ without }) => {
    await create(folder, { name: "tidepool", without });
    expect(JSON.parse(read("package.json")).template.without).toEqual(without);
    const gone = without.flatMap((part) => PARTS[part]?.removed ?? []);
    expect(gone.filter((place) => existsSync(join(folder, place)))).toEqual([]);
  });

  test("leaves out a part together with one that contains it", async () => {
    await create(folder, { name: "tidepool", without: ["keda", "k8s"] });
    expect(existsSync(join(folder, "k8s"))).toBe(false);
  });

  test("puts the API of docs/your-api.md and its test in the shop's place", async () => {
    await create(folder, { name: "tidepool", without: ["shop"] });
    const page = readSteps(read("docs/your-api.md")).flatMap((step) =>
      step.kind === "file" ? [[step.path, step.text] as const] : [],
    );
    expect(page.length).toBeGreaterThan(5);
    expect(page.map(([path]) => [path, read(path)])).toEqual(page);
    expect(
      files()
        .filter((path) => /^(src\/(contract|origin)\/api|test\/(api|shop))\//.test(path))
        .sort(),
    ).toEqual(
      [
        ...page.map(([path]) => path),
        ...["config", "jobs", "migrations"].map((name) => `src/origin/api/${name}.ts`),
      ].sort(),
    );
  });

  test("is undone by `git reset --hard`", async () => {
    await create(folder, { name: "tidepool", without: ["shop"] });
    gitIn(folder, "reset", "--quiet", "--hard");
    expect(status()).toBe("");
    expect(existsSync(join(folder, "test/api"))).toBe(false);
  });

  test("prints what it did, and what to do next", () => {
    const { status: code, stdout } = run(folder, "tidepool", "--without", "keda", "--without", "ingress");
    expect([code, stdout]).toEqual([0, expect.stringContaining("This project is tidepool now")]);
    expect(stdout).toContain("Without keda");
    expect(stdout).toContain("npm cit");
  });
});

test.for([
  [[], "exactly one NAME"],
  [["a", "b"], "exactly one NAME"],
  [["Tidepool"], "Tidepool cannot be the name"],
  [["tidepool", "--without", "everything"], "there is no part everything: use shop, "],
  [["tidepool", "--nonsense"], "--nonsense"],
] as const)("the arguments %j are rejected in one line, with exit code 2", ([args, message]) => {
  const { status: code, stderr } = run(projectFolder, ...args);
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  expect(stderr.trim().split("\n")).toHaveLength(1);
});

describe.skipIf(!isTemplate)("an upgrade of a created project", () => {
  inClone();

  test("brings changes beside renamed lines and of removed parts without a conflict", async () => {
    const change = async (path: string, from: string, to: string): Promise<void> => {
      const text = await readFile(join(later, path), "utf8");
      expect(text).toContain(from);
      await writeFile(join(later, path), text.replace(from, to));
    };
    const later = join(folder, ".git/later");
    gitIn(folder, "clone", "--quiet", template, later);
    await change("package.json", '"version": "0.1.0",\n  "desc', '"version": "0.2.0",\n  "desc');
    await change("src/middleware/auth/api-keys.ts", "API keys: `bwk_<id>", "The API keys: `bwk_<id>");
    await change("k8s/base/kustomization.yaml", "part-of: breakwater", "part-of: breakwater # as before");
    await change(
      "k8s/components/keda/scaled-object.yaml",
      "kind: ScaledObject",
      "kind: ScaledObject # as before",
    );
    await change("test/shop/shop.test.ts", "\n", "// changed\n");
    await change("src/ops/create.ts", "\n", " // changed\n");
    commitAll(later);
    gitIn(later, "tag", "v0.2.0");

    await create(folder, { name: "tidepool", without: ["shop", "keda"] });
    commitAll(folder);
    gitIn(folder, "remote", "add", "template", later);
    const { changed, conflicts } = await upgrade({ folder, to: "v0.2.0", remote: "template" });
    expect(conflicts).toEqual([]);
    expect(changed.toSorted()).toEqual([
      "k8s/base/kustomization.yaml",
      "package.json",
      "src/middleware/auth/api-keys.ts",
    ]);
    expect(read("src/middleware/auth/api-keys.ts")).toContain("The API keys: `tidk_<id>");
    expect(read("k8s/base/kustomization.yaml")).toContain("part-of: tidepool # as before");
  });
});

describe.skipIf(!isLong || !isTemplate)("a created project passes its types, lint and tests", () => {
  inClone();

  test("without the shop and the manifests", { timeout: RUN_TIMEOUT_MS }, () => {
    const options = ["--without", "shop", "--without", "k8s", "--check"];
    const { status: code, stdout, stderr } = run(folder, "tide-pool-2", ...options);
    expect([code, code === 0 ? "" : stdout + stderr]).toEqual([0, ""]);
  });
});
