import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readConfigurationFile } from "../../../src/origin/config/file.ts";

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "breakwater-configuration-"));
  await writeFile(at("app.yaml"), "server: {}\n");
  await writeFile(at("other.yaml"), "cache: {}\n");
  await mkdir(at("folder"));
});
afterAll(() => rm(folder, { recursive: true }));

test.each([{}, { CONFIG_FILE: " " }])("%j reads the file at the default path", async (environment) => {
  const file = { path: at("app.yaml"), text: "server: {}\n" };
  expect(await readConfigurationFile(environment, at("app.yaml"))).toEqual(file);
});

test("without CONFIG_FILE the default file may be absent", async () => {
  expect(await readConfigurationFile({}, at("none.yaml"))).toBeUndefined();
});

test("CONFIG_FILE names another file", async () => {
  const environment = { CONFIG_FILE: at("other.yaml") };
  expect(await readConfigurationFile(environment, at("app.yaml"))).toEqual({
    path: at("other.yaml"),
    text: "cache: {}\n",
  });
});

test.each([
  ["none.yaml", "ENOENT: no such file or directory"],
  ["folder", "EISDIR: illegal operation on a directory"],
])("a file that CONFIG_FILE names has to be readable: %s", async (name, because) => {
  expect(await readConfigurationFile({ CONFIG_FILE: at(name) }, at("app.yaml"))).toEqual({
    path: at(name),
    unreadable: expect.stringContaining(`(named by CONFIG_FILE) cannot be read: ${because}`),
  });
});

test("a folder at the default path is a fault, not the absence of a file", async () => {
  expect(await readConfigurationFile({}, at("folder"))).toMatchObject({
    unreadable: expect.stringMatching(/^cannot be read: EISDIR/),
  });
});
