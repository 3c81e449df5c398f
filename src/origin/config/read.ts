/** Reads the origin's configuration and reports everything that is wrong with it at once. */
import type * as z from "zod";
import { readConfiguration } from "../../lib/variables.ts";
import { GUARD_VARIABLES } from "../../middleware/config.ts";
import { type ConfigurationFile, type FileContents, parseFile, type Setting, shapeOf } from "./file.ts";
import { allKeys, type Key, type OriginConfiguration, originSchema } from "./schema.ts";
import { quote } from "./values.ts";

/** A key and its value in force. */
export interface Entry {
  /** As in the file: `database.url`. */
  readonly key: string;
  /** The value as it was written, secrets masked. */
  readonly shown: string;
  /** `default`, a variable's name, or a place such as `app.yaml:12`. */
  readonly source: string;
}

export type OriginConfigurationReading =
  | { readonly ok: true; readonly value: OriginConfiguration; readonly entries: readonly Entry[] }
  /** One message that names every wrong key and what it must be; never a secret. */
  | { readonly ok: false; readonly message: string };

const MAX_FAULTS = 100;

const fromEnvironment = (
  { variables }: Key,
  environment: Readonly<Record<string, unknown>>,
): Setting | undefined => {
  for (const source of variables) {
    const value = environment[source];
    const written = typeof value === "string" ? value.trim() : "";
    if (written !== "") return { written, source };
  }
  return undefined;
};

/** The text of a setting; undefined if it has a shape that the key does not accept. */
const textOf = ({ isList }: Key, { written }: Setting): string | undefined => {
  if (typeof written === "string") return written.trim();
  const isTexts = Array.isArray(written) && written.every((each) => typeof each === "string");
  return isList && isTexts ? written.join(",") : undefined;
};

/** Such as `PORT`, or `server.port (app.yaml:2)`. */
const nameOf = ({ file, variables }: Key, setting: Setting | undefined): string => {
  if (setting === undefined) return `${variables[0]} (or ${file} in the file)`;
  return variables.includes(setting.source) ? setting.source : `${file} (${setting.source})`;
};

const faultOf = (key: Key, setting: Setting | undefined, { code, message }: z.core.$ZodIssue): string => {
  const name = nameOf(key, setting);
  // Only the messages of zod itself are not ours.
  const wrong = code === "custom" ? message : `must be ${key.expected}`;
  if (setting === undefined) {
    const byDefault = key.default === undefined ? "" : `, but is ${key.default} by default`;
    return code === "custom" ? `${name} ${wrong}${byDefault}` : `${name} is missing: it ${wrong}`;
  }
  const text = textOf(key, setting);
  if (text === undefined) return `${name} ${wrong}, not ${shapeOf(setting.written)}`;
  return key.isSecret ? `${name} ${wrong}` : `${name} ${wrong}, not ${quote(text)}`;
};

const messageOf = (faults: readonly string[]): string => {
  const more = faults.length > MAX_FAULTS ? [`and ${faults.length - MAX_FAULTS} more`] : [];
  const count = `configuration: ${faults.length} ${faults.length === 1 ? "fault" : "faults"}`;
  return [count, ...faults.slice(0, MAX_FAULTS), ...more].join("\n  ");
};

/** The value that the schema parses: an object for each section. */
const inputOf = (settings: ReadonlyMap<Key, Setting>): Readonly<Record<string, unknown>> => {
  const input: Record<string, unknown> = {};
  const nested: Record<string, Record<string, unknown>> = {};
  for (const key of allKeys) {
    const setting = settings.get(key);
    const value = setting && (textOf(key, setting) ?? setting.written);
    const [section = "", name] = key.path.split(".");
    if (name === undefined) input[section] = value;
    else nested[section] = { ...nested[section], [name]: value };
  }
  return { ...input, ...nested };
};

/**
 * The environment wins over the file, the file over the defaults; an empty variable counts as not set. Only values in
 * force are checked, so that a file may hold a placeholder for a value that the environment sets; all keys are checked.
 */
export const readOriginConfiguration = (
  environment: Readonly<Record<string, unknown>>,
  file?: ConfigurationFile,
): OriginConfigurationReading => {
  const contents: FileContents = file === undefined ? { settings: new Map(), faults: [] } : parseFile(file);
  if (contents.settings === undefined) return { ok: false, message: messageOf(contents.faults) };
  const settings = new Map<Key, Setting>();
  for (const key of allKeys) {
    const setting = fromEnvironment(key, environment) ?? contents.settings.get(key.file);
    if (setting !== undefined) settings.set(key, setting);
  }

  const result = originSchema.safeParse(inputOf(settings));
  const faults = new Map<Key, string>();
  for (const issue of result.error?.issues ?? []) {
    const key = allKeys.find(({ path }) => path === issue.path.slice(0, 2).join("."));
    if (key === undefined) throw new Error(`no key at ${issue.path.join(".")}`);
    if (!faults.has(key)) faults.set(key, faultOf(key, settings.get(key), issue));
  }
  const all = [...contents.faults, ...faults.values()];
  if (all.length > 0 || !result.success) return { ok: false, message: messageOf(all) };
  const guards = readConfiguration(GUARD_VARIABLES, environment);
  if (!guards.ok) return guards;

  const { rateLimits, jwtIssuer, jwtAudience, jwtJwksUrl } = result.data.security;
  const entries = allKeys.map((key): Entry => {
    const setting = settings.get(key);
    const text = setting && textOf(key, setting);
    if (text === undefined || setting === undefined)
      return { key: key.file, shown: key.default ?? "not set", source: "default" };
    return { key: key.file, shown: key.mask?.(text) ?? text, source: setting.source };
  });
  return {
    ok: true,
    value: {
      ...result.data,
      guards: {
        ...guards.value,
        RATE_LIMITS: rateLimits,
        JWT_ISSUER: jwtIssuer,
        JWT_AUDIENCE: jwtAudience,
        JWT_JWKS_URL: jwtJwksUrl,
      },
    },
    entries,
  };
};
