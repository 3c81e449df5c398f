/**
 * Screens method, path and query for path traversal, scanner probes, and text that two servers might
 * interpret differently. An ordinary path costs one regular expression. Header fields are left to the
 * runtimes, which bound them and reject line breaks and NUL.
 */
import { type Finding, finding } from "./rules.ts";

export interface ScreenedRequest {
  readonly method: string;
  /** As sent, without the query. */
  readonly path: string;
  /** With or without the leading `?`. */
  readonly query: string;
  /** Whether the contract has the path, which exempts it from `scanner_path`. @default false */
  readonly isRoute?: boolean | undefined;
}

/** The Allow field of a rejected method. */
export const SCREENED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const METHOD = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/;

/** Path and query together, UTF-16 code units. */
export const MAX_URL_LENGTH = 8 * 1024;

/** Proxies in a row may each decode; more than three rounds are not known to occur. */
const ROUNDS = ["as it is", "decoded once", "decoded twice", "decoded three times"];
const MAX_ROUNDS = ROUNDS.length - 1;

/** No dot, no escape, no empty segment: no server interprets it differently. */
const ORDINARY = /^(?:\/[A-Za-z0-9_~-]+)*\/?$/;

// biome-ignore lint/suspicious/noControlCharactersInRegex: the rule rejects them
const CONTROL = /[\x00-\x1f\x7f]/;
/** A segment of one or two dots; some servers cut a segment off at `;`. */
const TRAVERSAL = /(?:^|[/\\])\.\.?(?:[/\\;]|$)/;

/** Files and folders whose names begin with a dot. */
const HIDDEN =
  "env|git|gitignore|gitlab-ci|svn|hg|bzr|aws|ssh|docker|dockerenv|kube|config|npmrc|netrc|htaccess|htpasswd|" +
  "ds_store|vscode|idea|bash_history|bashrc|profile";
/** First segments; none of them contains a dot. */
const ROOTS =
  "wp-admin|wp-content|wp-includes|wp-login|wp-json|wordpress|xmlrpc|phpmyadmin|pma|phpinfo|adminer|cgi-bin|" +
  "vendor/phpunit|actuator|jolokia|jmx-console|server-status|server-info|_ignition|_profiler|telescope|solr|druid|" +
  "geoserver|boaform|goform|hnap1|owa|dana-na|web-inf|meta-inf|manager/html";
const EXTENSIONS = "php\\d?|phtml|phar|aspx?|ashx|asmx|jspx?|cgi|cfm|sql|bak|swp|old|env|ini|exe|dll";
const END = "(?:[/;]|$)";

/**
 * Files that should never be served, and pages of software that is often attacked. Every alternative begins
 * with a character that no repetition before it matches, so matching takes linear time.
 */
const SCANNER_PATH = new RegExp(
  `^/+(?:${ROOTS})${END}|/\\.(?:${HIDDEN})(?:[./;_~-]|$)|\\.(?:${EXTENSIONS})~?${END}`,
  "i",
);

/** Number of the first traversing segment, from 1. */
const traversingSegment = (path: string): number | undefined => {
  const at = path.search(TRAVERSAL);
  return at < 0 ? undefined : path.slice(0, at + 1).split(/[/\\]/).length - 1;
};

/** Overlong ASCII, which decoders must reject (RFC 3629 §3); its last two bytes encode the character. */
const OVERLONG = /(?:%c[01]|%e0%8[01]|%f0%80%8[01]|%f8%80%80%8[01]|%fc%80%80%80%8[01])%[89ab][\da-f]/gi;
const SEPARATOR = /%(?:2f|5c)/i;
const ASCII = /%[0-7][\da-f]/gi;

const byteAt = (escapes: string, at: number): number => Number.parseInt(escapes.slice(at).slice(1, 3), 16);

/** Decodes once (RFC 3986 §2.1), like the most lenient server: even malformed text, which is reported. */
const percentDecode = (text: string) => {
  let isMalformed = false;
  const shortest = text.replace(OVERLONG, (escapes) => {
    isMalformed = true;
    const code = ((byteAt(escapes, -6) & 1) << 6) | (byteAt(escapes, -3) & 0x3f);
    return `%${code.toString(16).padStart(2, "0")}`;
  });
  const hasSeparator = SEPARATOR.test(shortest);
  try {
    return { text: decodeURIComponent(shortest), isMalformed, hasSeparator };
  } catch {
    const ascii = shortest.replace(ASCII, (escaped) => String.fromCharCode(byteAt(escaped, 0)));
    return { text: ascii, isMalformed: true, hasSeparator };
  }
};

const screenClosely = (path: string, isRoute: boolean): Finding | undefined => {
  let text = path;
  let rounds = 0;
  let isMalformed = !path.isWellFormed();
  let separatorRound = 0;
  for (;;) {
    const segment = traversingSegment(text);
    if (segment !== undefined)
      return finding("path_traversal", `segment ${segment} of the path, ${ROUNDS[rounds]}`);
    if (CONTROL.test(text)) return finding("control_characters", `path, ${ROUNDS[rounds]}`);
    if (rounds === MAX_ROUNDS || !text.includes("%")) break;
    const decoded = percentDecode(text);
    rounds += 1;
    // After the first round, a `%` that begins no escape is a decoded literal.
    if (rounds === 1 && decoded.isMalformed) isMalformed = true;
    if (decoded.hasSeparator && separatorRound === 0) separatorRound = rounds;
    text = decoded.text;
  }
  if (isMalformed) return finding("malformed_encoding", "path");
  if (!isRoute && SCANNER_PATH.test(text)) return finding("scanner_path", "path");
  if (separatorRound > 0) return finding("encoded_separator", `path, ${ROUNDS[separatorRound]}`);
  if (path.includes("\\")) return finding("backslash", "path");
  if (path.includes("//")) return finding("empty_segment", "path");
  return path.includes(";") ? finding("path_parameter", "path") : undefined;
};

/** @param path as sent, without the query */
export const screenPath = (path: string, isRoute = false): Finding | undefined => {
  if (!ORDINARY.test(path)) return screenClosely(path, isRoute);
  return !isRoute && SCANNER_PATH.test(path) ? finding("scanner_path", "path") : undefined;
};

/** The first finding, if any. */
export const screen = ({ method, path, query, isRoute }: ScreenedRequest): Finding | undefined => {
  if (!METHOD.test(method)) return finding("method", "not a standard method");
  if (path.length + query.length > MAX_URL_LENGTH) return finding("url_too_long", "path and query");
  const hasNul = query !== "" && (query.includes("%00") || query.includes("\0"));
  return screenPath(path, isRoute) ?? (hasNul ? finding("control_characters", "query") : undefined);
};
