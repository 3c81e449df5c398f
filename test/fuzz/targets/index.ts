/** All targets, by their names. Each is imported when it runs: what it covers is counted from then on. */
import type { AnyTarget } from "../target.ts";

interface Entry {
  readonly load: () => Promise<AnyTarget>;
  /** Of the inputs of a run, relative to the other targets. @default 1 */
  readonly share?: number;
  /** An origin with a database. @default false */
  readonly needsOrigin?: boolean;
}

const ENTRIES: Readonly<Record<string, Entry>> = {
  preconditions: { load: async () => (await import("./fields.ts")).preconditions, share: 2 },
  "cache-control": { load: async () => (await import("./fields.ts")).cacheControl, share: 2 },
  "cached-requests": { load: async () => (await import("./fields.ts")).cachedRequests },
  screening: { load: async () => (await import("./screening.ts")).screening, share: 3 },
  addresses: { load: async () => (await import("./addresses.ts")).addresses, share: 3 },
  blocklists: { load: async () => (await import("./addresses.ts")).blocklists, share: 0.8 },
  "api-keys": { load: async () => (await import("./credentials.ts")).keys },
  tokens: { load: async () => (await import("./credentials.ts")).tokens, share: 0.4 },
  "key-sets": { load: async () => (await import("./credentials.ts")).keySets, share: 0.1 },
  cursors: { load: async () => (await import("./cursors.ts")).cursors, share: 0.5 },
  "edge-contexts": { load: async () => (await import("./signatures.ts")).edgeContexts, share: 4 },
  signatures: { load: async () => (await import("./signatures.ts")).signatures, share: 1.5 },
  proofs: { load: async () => (await import("./signatures.ts")).proofs },
  "signing-keys": { load: async () => (await import("./signatures.ts")).signingKeys },
  "edge-configuration": {
    load: async () => (await import("./configuration.ts")).edgeConfiguration,
    share: 0.4,
  },
  "origin-configuration": {
    load: async () => (await import("./configuration.ts")).originConfiguration,
    share: 0.1,
  },
  "configuration-file": {
    load: async () => (await import("./configuration.ts")).configurationFile,
    share: 0.1,
  },
  "security-events": { load: async () => (await import("./events.ts")).securityEvents, share: 0.5 },
  otlp: { load: async () => (await import("./telemetry.ts")).otlp, share: 0.1 },
  "log-lines": { load: async () => (await import("./telemetry.ts")).logLines, share: 0.5 },
  "redis-entries": { load: async () => (await import("./stores.ts")).redisEntries, share: 0.5 },
  "limit-replies": { load: async () => (await import("./stores.ts")).limitReplies, share: 0.6 },
  "platform-cache": { load: async () => (await import("./stores.ts")).platformCache, share: 0.3 },
  "edge-requests": { load: async () => (await import("./edge.ts")).edgeRequests, share: 0.3 },
  "origin-requests": {
    load: async () => (await import("./origin.ts")).originRequests,
    share: 0.2,
    needsOrigin: true,
  },
  wire: { load: async () => (await import("./wire.ts")).wire, share: 0.2, needsOrigin: true },
  backups: { load: async () => (await import("./operators.ts")).backups, share: 0.005 },
};

export interface TargetEntry {
  readonly name: string;
  readonly share: number;
  readonly needsOrigin: boolean;
}

export const targetEntries: readonly TargetEntry[] = Object.entries(ENTRIES).map(
  ([name, { share = 1, needsOrigin = false }]) => ({ name, share, needsOrigin }),
);

/** @throws Error if there is none of that name */
export const findTarget = async (name: string): Promise<AnyTarget> => {
  const entry = ENTRIES[name];
  if (entry === undefined) throw new Error(`there is no target ${name}: npm run fuzz -- --list`);
  return await entry.load();
};
