/** The container engine and the image that TEST_IMAGE and TEST_CONTAINER_RUN name. */
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";

/** The image to test, built from container/Dockerfile. */
export const testImage = process.env["TEST_IMAGE"] ?? "web-api:dev";

/** The command that runs a container on the host's network, without its arguments. @default docker, else podman */
export const runCommand = (): string[] => {
  const given = process.env["TEST_CONTAINER_RUN"];
  return given ? given.split(" ") : [engineName(), "run", "--network", "host"];
};

/** No command of an engine takes longer, milliseconds. */
const TIMEOUT_MS = 60_000;

/** @throws where neither docker nor podman works */
const engineName = (): string => {
  const works = (name: string): boolean =>
    spawnSync(name, ["ps", "--quiet"], { stdio: "ignore", timeout: TIMEOUT_MS }).status === 0;
  found ??= ["docker", "podman"].find(works);
  if (found === undefined) throw new Error("neither docker nor podman works here");
  return found;
};

let found: string | undefined;

const execute = promisify(execFile);

/** @returns what the engine says; @throws what it says where it fails */
export const engine = async (...args: string[]): Promise<string> => {
  const { stdout } = await execute(engineName(), args, { maxBuffer: 16 * 1024 * 1024, timeout: TIMEOUT_MS });
  return stdout.trim();
};
