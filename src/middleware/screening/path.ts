/** Screens a path: an ordinary one by one look at it, any other one with care. */
import { percentDecode } from "./percent-decoding.ts";
import { type Finding, finding } from "./rules.ts";
import { isScannerPath } from "./scanner-paths.ts";

/** Servers behind servers decode again; three rounds are more than any are known to do. */
const MAX_ROUNDS = 3;

/** No dot, no escape, nothing empty. It never has two ways to read a character. */
const ORDINARY = /^(?:\/[A-Za-z0-9_~-]+)*\/?$/;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\x00-\x1f\x7f]/;
/** A segment of one dot or two; what stands behind a `;` in a segment is no part of its name. */
const TRAVERSAL = /(?:^|[/\\])\.\.?(?:[/\\;]|$)/;

/** The number of the segment in which it begins, from 1 on behind the first slash; undefined where there is none. */
const traversingSegment = (path: string): number | undefined => {
  const at = path.search(TRAVERSAL);
  return at < 0 ? undefined : path.slice(0, at + 1).split(/[/\\]/).length - 1;
};

const afterRounds = (rounds: number): string =>
  ["as it is", "decoded once", "decoded twice", "decoded three times"][rounds] ?? "";

const screenWritten = (path: string): Finding | undefined => {
  if (path.includes("\\")) return finding("backslash", "path");
  if (path.includes("//")) return finding("empty_segment", "path");
  if (path.includes(";")) return finding("path_parameter", "path");
  return undefined;
};

const screenClosely = (path: string, isRoute: boolean): Finding | undefined => {
  let text = path;
  let rounds = 0;
  let isMalformed = !path.isWellFormed();
  let separatorRound = 0;
  for (;;) {
    const segment = traversingSegment(text);
    if (segment !== undefined)
      return finding("path_traversal", `segment ${segment} of the path, ${afterRounds(rounds)}`);
    if (CONTROL.test(text)) return finding("control_characters", `path, ${afterRounds(rounds)}`);
    if (rounds === MAX_ROUNDS || !text.includes("%")) break;
    const decoded = percentDecode(text);
    rounds += 1;
    // What is no escape after the first round was meant as it is.
    if (rounds === 1 && decoded.isMalformed) isMalformed = true;
    if (decoded.hasSeparator && separatorRound === 0) separatorRound = rounds;
    text = decoded.text;
  }
  if (isMalformed) return finding("malformed_encoding", "path");
  if (!isRoute && isScannerPath(text)) return finding("scanner_path", "path");
  if (separatorRound > 0) return finding("encoded_separator", `path, ${afterRounds(separatorRound)}`);
  return screenWritten(path);
};

/**
 * @param path as it was sent, without its query
 * @param isRoute whether the contract has it: then what scanners ask for is ordinary there
 */
export const screenPath = (path: string, isRoute = false): Finding | undefined => {
  if (!ORDINARY.test(path)) return screenClosely(path, isRoute);
  return !isRoute && isScannerPath(path) ? finding("scanner_path", "path") : undefined;
};
