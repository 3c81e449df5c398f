/** The URLs of the database and of Redis, checked as their drivers read them. */
import { parse } from "pg-connection-string";
import { isFetchable, maskUrl, parsed, parseUrl } from "../../lib/variables.ts";

const ENCODED = "a user and password whose special characters are percent-encoded";

/** After the host, `@` and `#` are part of a password that is not percent-encoded: it ended the host early. */
const isSplit = ({ pathname, search, hash }: URL): boolean => /@/.test(pathname + search) || hash !== "";

const SSL_MODES = ["disable", "prefer", "require", "verify-ca", "verify-full", "no-verify"];

/** The driver takes these for `verify-full`, and says so in a warning that is not JSON. */
const SSL_ALIAS = /([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/;

const isDatabase = (url: URL): boolean => {
  const mode = url.searchParams.get("sslmode");
  return (
    /^postgres(?:ql)?:$/.test(url.protocol) && !isSplit(url) && (mode === null || SSL_MODES.includes(mode))
  );
};

/** With the files that it names, which have to be readable. */
export const databaseUrl = parsed(
  `a URL that begins with postgres:// or postgresql://, with a host, ${ENCODED}, an sslmode that is one of ${SSL_MODES.join(", ")}, and files that exist`,
  (text) => {
    // A socket's URL has a user, but no host before its query.
    const url = parseUrl(text.replace("@/", "@socket/"));
    if (url === undefined || !isDatabase(url)) return undefined;
    const plain = url.searchParams.has("uselibpqcompat") ? text : text.replace(SSL_ALIAS, "$1verify-full");
    try {
      return parse(plain).host ? plain : undefined;
    } catch {
      return undefined;
    }
  },
  { isSecret: true, mask: maskUrl },
);

/** For people: `127.0.0.1:5432/shop`, without user, password and parameters. @param url a valid one */
export const databaseName = (url: string): string => {
  const { host, port, database } = parse(url);
  return `${host}${port ? `:${port}` : ""}/${database ?? ""}`;
};

/** May be apart from the URL. */
const DATABASE_SECRETS = ["PGPASSWORD", "PGPASSFILE"];

/** Removes PGOPTIONS, PGSSLMODE and others, which the driver would read beside the URL. */
export const removeDriverVariables = (environment: Record<string, string | undefined>): void => {
  for (const name of Object.keys(environment))
    if (name.startsWith("PG") && !DATABASE_SECRETS.includes(name)) delete environment[name];
};

const isRedis = (url: URL): boolean =>
  /^rediss?:$/.test(url.protocol) &&
  url.hostname !== "" &&
  !isSplit(url) &&
  /^\/?\d{0,4}$/.test(url.pathname) &&
  /^\d{0,4}$/.test(url.searchParams.get("db") ?? "");

export const redisUrl = parsed(
  `a URL that begins with redis:// or rediss://, with a host, ${ENCODED} and a database's number; or one with https:// or http://, without a user or password`,
  (text) => {
    const url = parseUrl(text);
    return url !== undefined && (isRedis(url) || isFetchable(url)) ? text : undefined;
  },
  { isSecret: true, mask: maskUrl },
);
