/** Reads the origin's configuration and says everything that is wrong with it at once. Pure. */
import { readConfiguration } from "../../lib/variables.ts";
import { GUARD_VARIABLES } from "../../middleware/config.ts";
import { allKeys, assemble, type OriginConfiguration } from "./configuration.ts";
import type { Key } from "./key.ts";
import type { Parsed } from "./kind.ts";
import { quote } from "./mask.ts";
import { type ConfigurationFile, parseFile, type Setting } from "./parse-file.ts";
import { breaches } from "./rules.ts";
import { shapeOf, textOf } from "./written.ts";

/** A key and what is in force for it. */
export interface Entry {
  /** As in the file: `database.url`. */
  readonly key: string;
  /** Without secrets. */
  readonly shown: string;
  /** `default`, a variable's name, or a place such as `app.yaml:12`. */
  readonly source: string;
}

export type OriginConfigurationReading =
  | { readonly ok: true; readonly value: OriginConfiguration; readonly entries: readonly Entry[] }
  /** One message that names every wrong key as it was written, and what is expected; never a secret. */
  | { readonly ok: false; readonly message: string };

/** A setting, and how messages name it. */
interface Given extends Setting {
  readonly name: string;
}

const MAX_FAULTS = 100;

const fromEnvironment = (
  { variable, alsoVariable }: Key<unknown>,
  environment: Readonly<Record<string, unknown>>,
): Given | undefined => {
  for (const name of [variable, alsoVariable]) {
    const value = name === undefined ? undefined : environment[name];
    const text = typeof value === "string" ? value.trim() : "";
    if (name !== undefined && text !== "") return { written: { shape: "text", text }, source: name, name };
  }
  return undefined;
};

const messageOf = (faults: readonly string[]): string => {
  const told = faults.slice(0, MAX_FAULTS);
  const more = faults.length > told.length ? [`and ${faults.length - told.length} more`] : [];
  const count = `configuration: ${faults.length} ${faults.length === 1 ? "fault" : "faults"}`;
  return [count, ...told, ...more].join("\n  ");
};

/**
 * The environment wins over the file, the file over the defaults; a variable that is empty is not set. Only
 * values in force are judged, so that a file may hold a placeholder for what the environment sets; its keys
 * are all judged.
 */
export const readOriginConfiguration = (
  environment: Readonly<Record<string, unknown>>,
  file?: ConfigurationFile,
): OriginConfigurationReading => {
  const contents = file === undefined ? undefined : parseFile(file);
  const isWhole = contents?.isWhole ?? true;

  const given = (key: Key<unknown>): Given | undefined => {
    const setting = contents?.settings.get(key.file);
    return (
      fromEnvironment(key, environment) ??
      (setting && { ...setting, name: `${key.file} (${setting.source})` })
    );
  };
  const nameOf = (key: Key<unknown>): string =>
    given(key)?.name ?? `${key.variable} (or ${key.file} in the file)`;
  const read = <T>(key: Key<T>): Parsed<T> => {
    const setting = given(key);
    if (setting === undefined) return key.read(undefined);
    const text = textOf(setting.written, key.isList);
    if (text !== undefined) return key.read(text);
    return { ok: false, wrong: `must be ${key.expected}, not ${shapeOf(setting.written)}` };
  };
  const quoted = (key: Key<unknown>): string => {
    const setting = given(key);
    const text = setting && textOf(setting.written, key.isList);
    return text === undefined || key.isSecret ? "" : `, not ${quote(text)}`;
  };

  const faults = [...(contents?.faults ?? [])];
  const entries: Entry[] = [];
  const wrong = new Set<string>();
  for (const key of allKeys) {
    const parsed = read(key);
    const setting = given(key);
    if (parsed.ok) entries.push({ key: key.file, shown: parsed.shown, source: setting?.source ?? "default" });
    else if (setting !== undefined || isWhole) {
      wrong.add(key.file);
      faults.push(`${nameOf(key)} ${parsed.wrong}${quoted(key)}`);
    }
  }
  const get = <T>(key: Key<T>): T | undefined => {
    const parsed = read(key);
    return parsed.ok ? parsed.value : undefined;
  };
  // What a broken file would have set is not known, so nothing is said about how keys go together.
  for (const { key, wrong: why } of isWhole ? breaches(get) : [])
    if (!wrong.has(key.file)) faults.push(`${nameOf(key)} ${why}`);
  const guards = readConfiguration(GUARD_VARIABLES, environment);
  if (faults.length > 0) return { ok: false, message: messageOf(faults) };
  if (!guards.ok) return guards;

  const value = assemble((key) => {
    const parsed = read(key);
    if (parsed.ok) return parsed.value;
    throw new Error(`${key.file} was right a moment ago`);
  });
  const { rateLimits, jwtIssuer, jwtAudience, jwtJwksUrl } = value.security;
  return {
    ok: true,
    value: {
      ...value,
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
