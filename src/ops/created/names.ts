/** The names that `npm run create` gives to the template's product. */

const TEMPLATE = "breakwater";

/** A dashboard's uid has 40 characters, of which the longest suffix, `-dependencies`, takes 13. */
const MAX_LENGTH = 27;
/** RFC 1035 §2.3.1, which Services require; npm and Workers accept it, too. */
const LABEL = /^[a-z](?:[a-z0-9-]*[a-z0-9])?$/;
/** Workloads of k8s/ and container/compose.yaml. */
const TAKEN =
  /^(?:alertmanager|cloudflared|edge-collector|edge-telemetry|grafana|jaeger|log-collector|loki|otel-collector|postgres|prometheus|redis|redis-http)$/;

/** Why the name cannot be used; undefined if it can. */
export const nameFault = (name: string): string | undefined => {
  if (name === TEMPLATE) return "the template has that name";
  if (name.length > MAX_LENGTH) return `it has more than ${MAX_LENGTH} characters`;
  if (!LABEL.test(name))
    return "it must consist of lower-case letters, digits and hyphens, begin with a letter, and not end with a hyphen";
  return TAKEN.test(name) ? "another program of the stack has that name" : undefined;
};

/** As people write it: `tide-pool` is `Tide Pool`. */
export const titleOf = (name: string): string =>
  name
    .split("-")
    .map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
    .join(" ");

/** How API keys begin. Short and unusual: logs are masked from there on, wherever it occurs. */
export const keyPrefixOf = (name: string): string => `${name.replaceAll("-", "").slice(0, 3)}k_`;

/** `tide_pool.` begins the names of span attributes. */
const attributePrefixOf = (name: string): string => `${name.replaceAll("-", "_")}.`;

/** A pattern without groups, and what replaces it. */
type Renaming = readonly [pattern: string, replacement: (name: string) => string];

const self = (name: string): string => name;

/** In every file. */
const ANYWHERE: readonly Renaming[] = [
  // The origin in Kubernetes and compose, and its image.
  ["(?<![A-Za-z0-9-])web-api(?![A-Za-z0-9])", self],
  ["bwk_", keyPrefixOf],
  ["BWK_", (name) => keyPrefixOf(name).toUpperCase()],
  [String.raw`(?<=OWNER\/)breakwater(?!\.git)`, self],
  // Services, Workers, namespaces.
  [
    String.raw`\bbreakwater(?=-(?:(?:edge|origin|dev|direct|staging|production|logs|monitoring)\b|\$\{tier\}))`,
    self,
  ],
  // The prefix of Redis keys.
  [String.raw`(?<![\w./@-])breakwater(?=:)`, self],
  [String.raw`(?<![\w./-])breakwater\.(?=[a-z])`, attributePrefixOf],
  // A label of Kubernetes, and the name of a test's cluster.
  [String.raw`(?<=\b(?:part-of|CLUSTER): )breakwater\b`, self],
  // The package, telemetry's scope, the signatures' tag, the source of security events.
  [`(?<=")breakwater(?=")`, self],
];
/** As a word, but not in the debug fields, such as `Breakwater-Explain`. */
const TITLE: Renaming = [String.raw`\bBreakwater\b(?!-)`, titleOf];
/** Where every occurrence is a name of the product. */
const EVERY: Renaming = ["breakwater", self];

/** History, measurements of the template, and what `create` itself reads. The local database keeps its user. */
const UNCHANGED =
  /^(?:CHANGELOG\.md|docs\/decisions\/|docs\/performance\.md|src\/local\/postgres\.ts|(?:src|test)\/ops\/)/;
const DEPLOYED = /^(?:container|k8s|test\/k8s|test\/observability)\/|^wrangler\.toml$/;
/** Compare the template with other programs. */
const COMPARISONS = /^test\/bench\//;

const renamingsOf = (path: string): readonly Renaming[] => {
  if (UNCHANGED.test(path)) return [];
  return [...ANYWHERE, ...(COMPARISONS.test(path) ? [] : [TITLE]), ...(DEPLOYED.test(path) ? [EVERY] : [])];
};

/** @returns the text of the file, with the name instead of the template's */
export const renamed = (text: string, { path, name }: { path: string; name: string }): string => {
  const renamings = renamingsOf(path);
  if (renamings.length === 0) return text;
  // In one step, so that no pattern finds the new name.
  const any = new RegExp(renamings.map(([pattern]) => `(${pattern})`).join("|"), "g");
  return text.replace(any, (...match: unknown[]) => {
    const at = renamings.findIndex((_, index) => match[index + 1] !== undefined);
    return renamings[at]?.[1](name) ?? "";
  });
};

/** @returns the path of the file, of which only generated dashboards have the template's name */
export const renamedPath = (path: string, name: string): string =>
  path.replace(/(?<=\/dashboards\/)breakwater(?=-\w+\.json$)/, name);
