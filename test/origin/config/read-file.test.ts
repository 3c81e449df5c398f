import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readConfigurationFile } from "../../../src/origin/config/file.ts";

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "breakwater-configuration-"));
  await writeFile(at("app.yaml"), "\uFEFFserver: {}\n");
  await writeFile(at("other.yaml"), "cache: {}\n");
  await writeFile(at("latin.yaml"), Buffer.from([0x23, 0xe9]));
  await writeFile(at("large.yaml"), " ".repeat(256 * 1024 + 1));
  await writeFile(at("full.yaml"), " ".repeat(256 * 1024));
  await writeFile(at("closed.yaml"), "");
  await chmod(at("closed.yaml"), 0);
  await mkdir(at("folder"));
});
afterAll(() => rm(folder, { recursive: true }));

const named = (name: string) => readConfigurationFile({ CONFIG_FILE: at(name) }, at("app.yaml"));

test.each([
  {},
  { CONFIG_FILE: "" },
  { CONFIG_FILE: " " },
])("%j reads the file at the default path", async (environment) => {
  expect(await readConfigurationFile(environment, at("app.yaml"))).toEqual({
    path: at("app.yaml"),
    text: "server: {}\n",
  });
});

test.each(["none.yaml", "app.yaml/none"])("%s as the default path reads no file", async (name) => {
  expect(await readConfigurationFile({}, at(name))).toBeUndefined();
});

test("CONFIG_FILE names another file", async () => {
  expect(await named("other.yaml")).toEqual({ path: at("other.yaml"), text: "cache: {}\n" });
});

test.each([
  ["none.yaml", "ENOENT: no such file or directory"],
  ["folder", "EISDIR: illegal operation on a directory"],
  ["latin.yaml", "The encoded data was not valid for encoding utf-8"],
  ["large.yaml", "is larger than 256 KiB"],
])("the file %s cannot be read: %s", async (name, because) => {
  expect(await named(name)).toEqual({
    path: at(name),
    unreadable: expect.stringMatching(new RegExp(`^\\(named by CONFIG_FILE\\) .*${because}`)),
  });
});

test("a folder at the default path is a fault, not the absence of a file", async () => {
  expect(await readConfigurationFile({}, at("folder"))).toEqual({
    path: at("folder"),
    unreadable: expect.stringContaining("EISDIR"),
  });
});

test("a file of exactly 256 KiB is read", async () => {
  expect(await named("full.yaml")).toMatchObject({ text: expect.stringMatching(/^ +$/) });
});

test.skipIf(process.getuid?.() === 0)("a file that this user may not read says so", async () => {
  expect(await named("closed.yaml")).toMatchObject({
    unreadable: expect.stringContaining("(named by CONFIG_FILE) cannot be read: EACCES"),
  });
});
