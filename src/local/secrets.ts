/** The local system's own secrets: made at random once, kept in its folder, used nowhere else. */
import { randomBytes } from "node:crypto";
import { createKey } from "../middleware/auth/api-key.ts";
import { readJson, writeJson } from "./folder.ts";

export interface LocalSecrets {
  /** For SIGNING_KEYS of both tiers. */
  readonly signingKeys: string;
  readonly redisToken: string;
  /** The key that the banner shows. */
  readonly demoKey: { readonly id: string; readonly key: string; readonly hash: string };
}

const FILE = "secrets.json";

const isSecrets = (value: unknown): value is LocalSecrets =>
  typeof value === "object" &&
  value !== null &&
  "signingKeys" in value &&
  "redisToken" in value &&
  "demoKey" in value;

export const readSecrets = async (): Promise<LocalSecrets> => {
  const kept = await readJson(FILE);
  if (isSecrets(kept)) return kept;
  const secrets: LocalSecrets = {
    signingKeys: `local:${randomBytes(32).toString("base64")}`,
    redisToken: randomBytes(24).toString("base64url"),
    demoKey: createKey((bytes) => crypto.getRandomValues(bytes)),
  };
  await writeJson(FILE, secrets);
  return secrets;
};
