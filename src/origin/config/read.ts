/** Reads the origin's configuration and reports everything that is wrong with it at once. */
import type * as z from "zod";
import { readConfiguration } from "../../lib/variables.ts";
import { GUARD_VARIABLES } from "../../middleware/config.ts";
import { type ConfigurationFile, type FileContents, parseFile, type Setting, shapeOf } from "./file.ts";
import { allKeys, type Key, type OriginConfiguration, originSchema } from "./schema.ts";
import { MASK, quote } from "./values.ts";

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

const faultOf = (key: Key, setting: Setting | undefined, { code, message }: z.core.$ZodIssue): string => {
  // Only the messages of zod itself are not ours.
  const wrong = code === "custom" ? message : `must be ${key.expected}`;
  if (setting === undefined) {
    const name = `${key.variables[0]} (or ${key.file} in the file)`;
    const byDefault = key.default === undefined ? "" : `, but is ${key.default} by default`;
    return code === "custom" ? `${name} ${wrong}${byDefault}` : `${name} is missing: it ${wrong}`;
  }
  const { source, written } = setting;
  const name = key.variables.includes(source) ? source : `${key.file} (${source})`;
  const text = textOf(key, setting);
  if (text === undefined) return `${name} ${wrong}, not ${shapeOf(written)}`;
  return `${name} ${wrong}, not ${key.isSecret ? MASK : quote(text)}`;
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

const entryOf = (key: Key, setting: Setting | undefined): Entry => {
  const text = setting && textOf(key, setting);
  return text === undefined || setting === undefined
    ? { key: key.file, shown: key.default ?? "not set", source: "default" }
    : { key: key.file, shown: key.mask?.(text) ?? text, source: setting.source };
};

// Those that the schema has too may also be set in the file.
const { RATE_LIMITS, JWT_ISSUER, JWT_AUDIENCE, JWT_JWKS_URL, ...guardVariables } = GUARD_VARIABLES;

/**
 * The environment wins over the file, the file over the defaults; an empty variable counts as not set. Only values in
 * force are checked, so that a file may hold a placeholder for a value that the environment sets; all keys are checked.
 */
export const readOriginConfiguration = (
  environment: Readonly<Record<string, unknown>>,
  file?: ConfigurationFile,
): OriginConfigurationReading => {
  const contents: FileContents = file === undefined ? { settings: new Map(), faults: [] } : parseFile(file);
  const settings = new Map<Key, Setting>();
  for (const key of allKeys) {
    const setting = fromEnvironment(key, environment) ?? contents.settings?.get(key.file);
    if (setting !== undefined) settings.set(key, setting);
  }

  const result = originSchema.safeParse(inputOf(settings));
  const faults = new Map<Key, string>();
  for (const issue of result.error?.issues ?? []) {
    const key = allKeys.find(({ path }) => path === issue.path.join("."));
    if (key === undefined) throw new Error(`no key at ${issue.path.join(".")}`);
    const setting = settings.get(key);
    // What the environment lacks may be in a file that could not be read.
    if (setting === undefined && contents.settings === undefined) continue;
    if (!faults.has(key)) faults.set(key, faultOf(key, setting, issue));
  }
  const guards = readConfiguration(guardVariables, environment);
  const all = [...contents.faults, ...faults.values(), ...(guards.ok ? [] : guards.faults)];
  if (all.length > 0 || !result.success || !guards.ok) {
    const count = `configuration: ${all.length} ${all.length === 1 ? "fault" : "faults"}`;
    return { ok: false, message: [count, ...all].join("\n  ") };
  }
  const { rateLimits, jwtIssuer, jwtAudience, jwtJwksUrl } = result.data.security;
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
    entries: allKeys.map((key) => entryOf(key, settings.get(key))),
  };
};
