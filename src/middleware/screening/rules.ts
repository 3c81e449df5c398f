/** The screening rules, and the problem with which each is answered. */
import type { ProblemCode } from "../../contract/problem.ts";

/**
 * Paths that exist in no contract are answered like every other unknown path, so that scanners learn nothing. Attacks and
 * malformed requests are invalid.
 */
export const SCREENING_ANSWERS = {
  /** A `.` or `..` segment, in any encoding. */
  path_traversal: "invalid_request",
  /** C0 controls or DEL in the path; CR, LF or NUL in a header field; NUL in the query. */
  control_characters: "invalid_request",
  /** A `%` in the path that begins no escape, or escapes that are not UTF-8. */
  malformed_encoding: "invalid_request",
  /** An escaped `/` or `\` in the path, even if the escape is escaped itself. */
  encoded_separator: "invalid_request",
  backslash: "invalid_request",
  /** Two slashes in a row in the path. */
  empty_segment: "not_found",
  /** A `;` in the path: servers interpret it differently. */
  path_parameter: "not_found",
  /** A path of software that is often attacked, unless the contract has such a route. */
  scanner_path: "not_found",
  method: "method_not_allowed",
  url_too_long: "uri_too_long",
  headers_too_large: "header_fields_too_large",
  /** Several values of a field that has one. */
  duplicate_header: "invalid_request",
} as const satisfies Record<string, ProblemCode>;

export type ScreeningRule = keyof typeof SCREENING_ANSWERS;

export interface Finding {
  readonly rule: ScreeningRule;
  /** Rule and place: printable, at most 200 characters. Of the client's text it holds at most a field's name. */
  readonly details: string;
}

/** @param where a few constant words */
export const finding = (rule: ScreeningRule, where: string): Finding => ({
  rule,
  details: `${rule}: ${where}`,
});
