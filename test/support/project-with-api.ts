/** A copy of the project with another API in the shop's place. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { erasePostgres } from "../../src/local/postgres.ts";
import { projectFolder } from "../../src/local/state-dir.ts";

const execute = promisify(execFile);

/** What the project needs to run; tests are not copied. */
const COPIED = ["package.json", "wrangler.toml", "src", "container"];

export interface ProjectWithApi {
  readonly folder: string;
  /** @returns the compiler's errors, empty if there are none */
  typeErrors(): Promise<string>;
  remove(): Promise<void>;
}

/** @param fixture the folder with `contract-api` and `origin-api`, which may leave out optional files */
export const createProjectWithApi = async (fixture: string): Promise<ProjectWithApi> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-api-"));
  for (const name of COPIED) await cp(join(projectFolder, name), join(folder, name), { recursive: true });
  await symlink(join(projectFolder, "node_modules"), join(folder, "node_modules"));
  const tsconfig = await readFile(join(projectFolder, "tsconfig.json"), "utf8");
  await writeFile(
    join(folder, "tsconfig.json"),
    tsconfig.replaceAll(/,\s*\{ "path": "(test(\/api-checks)?|src\/ops\/starter)" \}/g, ""),
  );
  for (const tier of ["contract", "origin"]) {
    const api = join(folder, "src", tier, "api");
    await rm(api, { recursive: true });
    if (tier === "origin")
      for (const name of ["config.ts", "jobs.ts", "migrations.ts"])
        await cp(join(projectFolder, "src/origin/api", name), join(api, name));
    await cp(join(fixture, `${tier}-api`), api, { recursive: true });
  }
  return {
    folder,
    typeErrors: async () => {
      const tsc = join(projectFolder, "node_modules/.bin/tsc");
      const { stdout } = await execute(tsc, ["-b"], { cwd: folder }).catch(
        (error: { stdout: string }) => error,
      );
      return stdout;
    },
    remove: async () => {
      await erasePostgres(join(folder, ".breakwater/postgres"));
      await rm(folder, { recursive: true, force: true });
    },
  };
};
