/** What screening looks for, and with which problem each finding is answered. */
import type { ProblemCode } from "../../contract/problem.ts";

/**
 * The rules, in no order. What stands nowhere in a contract anyway is answered as everything that does not exist, so
 * that who looks for holes is told nothing; what cannot be meant well is a request that is wrong.
 */
export const SCREENING_ANSWERS = {
  /** A segment that leads elsewhere, `.` or `..`, however it is written. */
  path_traversal: "invalid_request",
  /** C0 controls or DEL in the path; CR, LF or NUL in a header field; NUL in the query. */
  control_characters: "invalid_request",
  /** A `%` in the path that begins no escape, or escapes that are no UTF-8. */
  malformed_encoding: "invalid_request",
  /** An escaped `/` or `\` in the path, even an escape that is escaped itself. */
  encoded_separator: "invalid_request",
  backslash: "invalid_request",
  /** Two slashes in a row in the path. */
  empty_segment: "not_found",
  /** A `;` in the path: servers differ in what they take it for. */
  path_parameter: "not_found",
  /** A path that belongs to software that is often attacked. Where a route of the contract has it, it is ordinary. */
  scanner_path: "not_found",
  method: "method_not_allowed",
  url_too_long: "uri_too_long",
  headers_too_large: "header_fields_too_large",
  /** A field that has one value, with several. */
  duplicate_header: "invalid_request",
} as const satisfies Record<string, ProblemCode>;

export type ScreeningRule = keyof typeof SCREENING_ANSWERS;

export interface Finding {
  readonly rule: ScreeningRule;
  /** The rule and where it was met: printable, at most 200 characters, nothing that the client has chosen but a field's name. */
  readonly details: string;
}

/** @param where a few words of ours */
export const finding = (rule: ScreeningRule, where: string): Finding => ({
  rule,
  details: `${rule}: ${where}`,
});
