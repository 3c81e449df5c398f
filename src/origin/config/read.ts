/** Reads the origin's configuration and reports everything that is wrong with it at once. */
import * as z from "zod/mini";
import { isLenient, MASK, readConfiguration, readVariable } from "../../lib/variables.ts";
import { GUARD_VARIABLES } from "../../middleware/config.ts";
import { readResourceAttributes } from "../../telemetry/resource.ts";
import { type ConfigurationFile, type FileContents, parseFile, type Setting } from "./file.ts";
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
  | {
      readonly ok: true;
      readonly value: OriginConfiguration;
      readonly entries: readonly Entry[] /** For the log: settings that were ignored. */;
      readonly warnings: readonly string[];
    }
  /** One message that names every wrong key and what it must be; never a secret. */
  | { readonly ok: false; readonly message: string };

type Environment = Readonly<Record<string, unknown>>;

const fromEnvironment = ({ variables }: Key, environment: Environment): Setting | undefined => {
  for (const source of variables) {
    const text = readVariable(environment, source);
    if (typeof text === "string") return { text, source };
  }
  return undefined;
};

const faultOf = (key: Key, setting: Setting | undefined, { code, message }: z.core.$ZodIssue): string => {
  const { file, variables, isSecret } = key;
  if (setting !== undefined) {
    const { source, text } = setting;
    const name = variables.includes(source) ? source : `${file} (${source})`;
    return `${name} ${message}, not ${isSecret ? MASK : quote(text)}`;
  }
  const name = `${variables[0]} (or ${file} in the file)`;
  // The type of every value begins with text: no other issue has zod's own code.
  if (code !== "custom") return `${name} is missing: it ${message}`;
  return key.default === undefined
    ? `${name} ${message}`
    : `${name} ${message}, but is ${key.default} by default`;
};

/** The value that the schema parses: an object for each section. */
const inputOf = (settings: ReadonlyMap<Key, Setting>): Readonly<Record<string, unknown>> => {
  const input: Record<string, unknown> = {};
  // An API may have no settings of its own.
  const nested: Record<string, Record<string, unknown>> = { api: {} };
  for (const key of allKeys) {
    const [section = "", name] = key.path.split(".");
    const text = settings.get(key)?.text;
    if (name === undefined) input[section] = text;
    else nested[section] = { ...nested[section], [name]: text };
  }
  return { ...input, ...nested };
};

const entryOf = (key: Key, setting: Setting | undefined): Entry =>
  setting === undefined
    ? { key: key.file, shown: key.default ?? "not set", source: "default" }
    : { key: key.file, shown: key.mask?.(setting.text) ?? setting.text, source: setting.source };

/** @param path in the schema */
const keyAt = (path: string): Key => {
  const key = allKeys.find((each) => each.path === path);
  if (key === undefined) throw new Error(`no key at ${path}`);
  return key;
};

/** Replaces wrong values of lenient variables with those of the file. @returns the warnings */
const ignoreLenient = (settings: Map<Key, Setting>, contents: FileContents): readonly string[] => {
  const warnings: string[] = [];
  for (const issue of z.safeParse(originSchema, inputOf(settings)).error?.issues ?? []) {
    const key = keyAt(issue.path.join("."));
    const setting = settings.get(key);
    if (!isLenient(setting?.source)) continue;
    warnings.push(`${faultOf(key, setting, issue)}: ignored`);
    const inFile = contents.settings?.get(key.file);
    if (inFile === undefined) settings.delete(key);
    else settings.set(key, inFile);
  }
  return warnings;
};

/** The keys that an attribute of the resource sets, unless they are set themselves. */
const NAMED_BY: Readonly<Record<string, string>> = {
  "observability.serviceName": "service.name",
  "observability.serviceVersion": "service.version",
};

const nameService = (settings: Map<Key, Setting>): void => {
  const resource = settings.get(keyAt("observability.resourceAttributes"));
  const attributes = readResourceAttributes(resource?.text ?? "") ?? {};
  for (const [path, name] of Object.entries(NAMED_BY)) {
    const key = keyAt(path);
    const text = attributes[name];
    if (resource !== undefined && text && !settings.has(key))
      settings.set(key, { text, source: resource.source });
  }
};

// Those that the schema has too may also be set in the file.
const { RATE_LIMITS, JWT_ISSUER, JWT_AUDIENCE, JWT_JWKS_URL, ...guardVariables } = GUARD_VARIABLES;

/**
 * The environment wins over the file, the file over the defaults; an empty variable counts as not set. Only
 * values in force are checked, so that a file may hold a placeholder for a value that the environment sets;
 * all keys are checked.
 */
export const readOriginConfiguration = (
  environment: Environment,
  file?: ConfigurationFile,
): OriginConfigurationReading => {
  const contents: FileContents = file === undefined ? { settings: new Map(), faults: [] } : parseFile(file);
  const settings = new Map<Key, Setting>();
  for (const key of allKeys) {
    const setting = fromEnvironment(key, environment) ?? contents.settings?.get(key.file);
    if (setting !== undefined) settings.set(key, setting);
  }

  const warnings = ignoreLenient(settings, contents);
  nameService(settings);
  const result = z.safeParse(originSchema, inputOf(settings));
  const faults = new Map<Key, string>();
  for (const issue of result.error?.issues ?? []) {
    const key = keyAt(issue.path.join("."));
    const setting = settings.get(key);
    // A key that the environment lacks may be in the file that could not be read.
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
    warnings,
    entries: allKeys.map((key) => entryOf(key, settings.get(key))),
  };
};
