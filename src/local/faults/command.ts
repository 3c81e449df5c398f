/** `npm run fault -- list | on NAME | off NAME | off --all`: switches the faults of the running local system. */
import * as z from "zod/mini";
import { processTerminal } from "../../origin/admin/cli.ts";
import { useOwnEnvironment } from "../environment.ts";
import { describeError, LocalError } from "../local-error.ts";
import { readRuntime } from "../target.ts";

const USAGE = "npm run fault -- list | on NAME | off NAME | off --all";
const TIMEOUT_MS = 30_000;

const answer = z.object({
  faults: z.array(
    z.object({ name: z.string(), title: z.string(), isOn: z.boolean(), isMomentary: z.boolean() }),
  ),
});
const failure = z.object({ message: z.string() });

/** @throws LocalError with the reason */
const call = async (method: string, path: string): Promise<z.output<typeof answer>["faults"]> => {
  const { pageUrl, pageToken } = await readRuntime();
  const response = await fetch(`${pageUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${pageToken}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const body: unknown = await response.json();
  if (!response.ok)
    throw new LocalError(failure.safeParse(body).data?.message ?? `the system answered ${response.status}`);
  return answer.parse(body).faults;
};

const run = async ([verb = "", name, ...more]: string[]): Promise<void> => {
  const path = `/faults/${encodeURIComponent(name ?? "")}`;
  const isWellFormed = more.length === 0 && (verb === "list" ? name === undefined : name !== undefined);
  const { print } = processTerminal;
  if (!isWellFormed) throw new LocalError(USAGE);
  if (verb === "list") {
    const faults = await call("GET", "/faults");
    const width = Math.max(...faults.map((fault) => fault.name.length));
    for (const { name, title, isOn, isMomentary } of faults)
      print(`${name.padEnd(width)}  ${isMomentary ? "once" : isOn ? "ON  " : "off "}  ${title}`);
    return;
  }
  if (verb === "on") await call("POST", path);
  else if (verb === "off") await call("DELETE", name === "--all" ? "/faults" : path);
  else throw new LocalError(USAGE);
  print(name === "--all" ? "all faults are off" : `${name} is ${verb}`);
};

useOwnEnvironment();
try {
  await run(process.argv.slice(2));
} catch (error) {
  processTerminal.fail(describeError(error));
  process.exitCode = 1;
}
