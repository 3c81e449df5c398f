/** Reads the configuration file from the disk. */
import { createReadStream } from "node:fs";
import { buffer } from "node:stream/consumers";
import { type ConfigurationFile, MAX_FILE_BYTES, TOO_LARGE } from "./parse-file.ts";

/** The variable that names another file. */
export const FILE_VARIABLE = "CONFIG_FILE";
/** Where the file is unless `CONFIG_FILE` says so; it need not be there. */
export const DEFAULT_FILE = "/app/config/app.yaml";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "is not there",
  ENOTDIR: "is not there",
  EACCES: "must be readable by the origin's user",
  EPERM: "must be readable by the origin's user",
  EISDIR: "is a folder",
  ERR_ENCODING_INVALID_ENCODED_DATA: "must be UTF-8",
};

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown";

/** @throws what the system says, or a TypeError for what is not UTF-8 */
const readText = async (path: string): Promise<string | undefined> => {
  // One byte more than allowed shows that there are more.
  const bytes = await buffer(createReadStream(path, { end: MAX_FILE_BYTES }));
  if (bytes.byteLength > MAX_FILE_BYTES) return undefined;
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
};

/**
 * @returns undefined where no file is named and none is at the default path; why the file cannot be read, for
 * `readOriginConfiguration` to tell with everything else
 */
export const readConfigurationFile = async (
  environment: Readonly<Record<string, unknown>>,
  defaultPath = DEFAULT_FILE,
): Promise<ConfigurationFile | undefined> => {
  const variable = environment[FILE_VARIABLE];
  const named = typeof variable === "string" ? variable.trim() : "";
  const path = named || defaultPath;
  const unreadable = (why: string): ConfigurationFile => ({
    path,
    unreadable: named ? `(named by ${FILE_VARIABLE}) ${why}` : why,
  });
  try {
    const text = await readText(path);
    return text === undefined ? unreadable(TOO_LARGE) : { path, text };
  } catch (error) {
    const code = codeOf(error);
    if (!named && (code === "ENOENT" || code === "ENOTDIR")) return undefined;
    return unreadable(REASONS[code] ?? `cannot be read (${code})`);
  }
};
