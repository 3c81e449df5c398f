/** The versions of the edge's Worker, by wrangler's commands. */
import * as z from "zod/mini";
import { runProgram } from "../../local/child-process.ts";
import { LocalError } from "../../local/local-error.ts";

export interface Wrangler {
  readonly environment: string;
  /** Ends its commands. */
  readonly signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 300_000;

const reasonOf = (lines: readonly string[]): string =>
  lines.find((line) => line.includes("[ERROR]")) ?? lines.join("\n");

/** @returns its standard output @throws LocalError if it fails or takes too long; the signal's reason */
const run = async ({ environment, signal }: Wrangler, args: readonly string[]): Promise<string> => {
  const stdout: string[] = [];
  const onLine = (line: string, stream: "stdout" | "stderr"): void => {
    if (stream === "stdout") stdout.push(line);
  };
  const name = `wrangler ${args.slice(0, 2).join(" ")}`;
  const options = { name, command: "wrangler", args: [...args, "--env", environment], onLine };
  await runProgram(options, { timeoutMs: TIMEOUT_MS, signal, reasonOf });
  return stdout.join("\n");
};

const deployment = z.object({
  versions: z.array(z.object({ version_id: z.string() })),
});

/** @returns the version that has all requests @throws LocalError if several versions share them */
export const currentVersion = async (wrangler: Wrangler): Promise<string> => {
  const status = await run(wrangler, ["deployments", "status", "--json"]);
  const [first, ...others] = deployment.parse(JSON.parse(status)).versions;
  if (first !== undefined && others.length === 0) return first.version_id;
  throw new LocalError("several versions are deployed: end that release first (wrangler versions deploy)");
};

const versions = z.array(
  z.object({
    id: z.string(),
    metadata: z.object({ created_on: z.string() }),
    annotations: z.optional(z.record(z.string(), z.unknown())),
  }),
);
/** The messages of `wrangler versions secret`. */
const SECRET_MESSAGE = /^(?:Updated|Deleted) secret|^Bulk updated/;

/**
 * A version contains its secrets, and an upload takes those of the newest version.
 *
 * @throws LocalError if secrets have changed since the version, which would not have them after a return
 */
export const requireSameSecrets = async (wrangler: Wrangler, current: string): Promise<void> => {
  const listed = versions.parse(JSON.parse(await run(wrangler, ["versions", "list", "--json"])));
  const since = listed.find(({ id }) => id === current)?.metadata.created_on;
  const newer = listed.filter(({ metadata }) => since === undefined || metadata.created_on > since);
  const changed = newer.find(
    ({ annotations }) =>
      annotations?.["workers/triggered_by"] === "secret" ||
      SECRET_MESSAGE.test(String(annotations?.["workers/message"])),
  );
  if (changed !== undefined)
    throw new LocalError(
      `version ${changed.id} changed secrets: give it all requests first (npm run deploy)`,
    );
};

/** @returns the new version, which has no requests */
export const uploadVersion = async (wrangler: Wrangler): Promise<string> => {
  const output = await run(wrangler, ["versions", "upload"]);
  const [, version] = /^Worker Version ID: (\S+)$/m.exec(output) ?? [];
  if (version === undefined) throw new LocalError(`wrangler named no version:\n${output}`);
  return version;
};

/** @param shares such as `VERSION@25`: percent of the requests */
export const deployVersions = (wrangler: Wrangler, shares: readonly string[]): Promise<string> =>
  run(wrangler, ["versions", "deploy", ...shares, "--message", "npm run release:edge", "--yes"]);
