/** The broken manifests of breakages.yaml. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { type KubernetesObject, titleOf } from "./manifests.ts";

const what = z.string();
const says = z.string();
const set = z
  .enum(["production", "dev", "direct", "ingress", "keda", "logs", "migrations", "telemetry"])
  .default("production");
const common = {
  ...{ what, says, in: set, object: z.string() },
  /** A component without which the breakage is no fault, besides the one that has the object. */
  needs: z.string().optional(),
};
const at = z.string().regex(/^(container\/|pod\/|\/)./);

const breakage = z.union([
  z.strictObject({ ...common, at, set: z.unknown() }),
  z.strictObject({ ...common, at, remove: z.literal(true) }),
  z.strictObject({ ...common, at, replace: z.tuple([z.string(), z.string()]) }),
  z.strictObject({ ...common, copy: z.string() }),
  z.strictObject({ ...common, drop: z.literal(true) }),
  z.strictObject({ ...common, add: z.record(z.string(), z.unknown()) }),
]);

export type Breakage = z.infer<typeof breakage> & {
  /** The name of the check that must find it. */
  readonly check: string;
};

export const readBreakages = (): Breakage[] => {
  const text = readFileSync(join(import.meta.dirname, "../breakages.yaml"), "utf8");
  const table = z.record(z.string(), z.array(breakage)).parse(parse(text));
  return Object.entries(table).flatMap(([check, rows]) => rows.map((row) => ({ ...row, check })));
};

type Holder = Record<string, unknown>;

const isHolder = (value: unknown): value is Holder => typeof value === "object" && value !== null;

const pointerOf = (written: string): string =>
  written
    .replace(/^container\//, "/spec/template/spec/containers/0/")
    .replace(/^pod\//, "/spec/template/spec/");

/** The object with the value of a JSON pointer (RFC 6901), and the value's key. */
const placeOf = (object: unknown, written: string): { holder: Holder; key: string } => {
  const keys = pointerOf(written)
    .slice(1)
    .split("/")
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  const key = keys.pop() ?? "";
  let holder = object;
  for (const step of keys) holder = isHolder(holder) ? holder[step] : undefined;
  if (!isHolder(holder)) throw new Error(`no value at ${written}`);
  return { holder, key: key === "-" && Array.isArray(holder) ? String(holder.length) : key };
};

/** Another kind with the object's namespace. */
const added = (object: KubernetesObject, fields: Readonly<Record<string, unknown>>): KubernetesObject => {
  const copy = { ...object, ...fields };
  return {
    ...copy,
    metadata: { name: "added", ...(object.metadata.namespace && { namespace: object.metadata.namespace }) },
  };
};

const change = (object: KubernetesObject, row: Extract<Breakage, { at: string }>): void => {
  const { holder, key } = placeOf(object, row.at);
  if ("remove" in row) {
    if (!(key in holder)) throw new Error(`no value at ${row.at}`);
    if (Array.isArray(holder)) holder.splice(Number(key), 1);
    else delete holder[key];
  } else if ("replace" in row) {
    const [part, other] = row.replace;
    const text = holder[key];
    if (typeof text !== "string" || !text.includes(part)) throw new Error(`${row.at} has no ${part}`);
    holder[key] = text.replace(part, other);
  } else {
    holder[key] = row.set;
  }
};

/** The hash that kustomize appends to a name. */
const HASH = /-[bcdfghkmt2456789]{10}$/;

const isOf = (object: KubernetesObject, row: Breakage): boolean =>
  titleOf(object).replace(HASH, "") === row.object;

/** Whether one of the objects is the one that the breakage changes. */
export const hasObject = (objects: readonly KubernetesObject[], row: Breakage): boolean =>
  objects.some((object) => isOf(object, row));

/** @returns a copy of the objects with the breakage @throws Error if it does not apply */
export const broken = (objects: readonly KubernetesObject[], row: Breakage): KubernetesObject[] => {
  const copy = structuredClone([...objects]);
  const [object, ...others] = copy.filter((each) => isOf(each, row));
  if (object === undefined || others.length > 0) throw new Error(`there is not exactly one ${row.object}`);
  if ("drop" in row) return copy.filter((each) => each !== object);
  if ("copy" in row) {
    const second = structuredClone(object);
    second.metadata.name = row.copy;
    return [...copy, second];
  }
  if ("add" in row) return [...copy, added(object, row.add)];
  change(object, row);
  return copy;
};
