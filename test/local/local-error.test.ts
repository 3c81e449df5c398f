import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describeError, LocalError } from "../../src/local/local-error.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "breakwater-error-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test.each([
  ["a folder", (path: string) => mkdir(path, { recursive: true }), "a file has its name"],
  ["a path", (path: string) => mkdir(join(path, "a")), "one of its folders is a file"],
  ["a list", (path: string) => readdir(path), "one of its folders is a file"],
])("a file instead of %s is described in one line, with a remedy", async (_, use, cause) => {
  const path = join(folder, "file");
  await writeFile(path, "");
  const error: unknown = await use(path).catch((reason: unknown) => reason);
  const line = describeError(error);
  expect(line).toContain(`cannot use ${path}`);
  expect(line).toContain(`(${cause}): correct that, or set BREAKWATER_FOLDER to another folder`);
});

test("other errors keep their message", () => {
  expect(describeError(new LocalError("port 1 is taken"))).toBe("port 1 is taken");
});
