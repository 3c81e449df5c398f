/** The screening rules. */
import type { ProblemCode } from "../../contract/problem.ts";

/** Each rule's problem, and its points for the abuse score: more if it is never broken by mistake. */
export const SCREENING_RULES = {
  /** A `.` or `..` segment, in any encoding. */
  path_traversal: { answer: "invalid_request", points: 20 },
  /** C0 controls or DEL in the path; NUL in the query. */
  control_characters: { answer: "invalid_request", points: 20 },
  /** A `%` in the path that begins no escape, or escapes that are not UTF-8. */
  malformed_encoding: { answer: "invalid_request", points: 10 },
  /** An escaped `/` or `\` in the path, even if the escape is escaped itself. */
  encoded_separator: { answer: "invalid_request", points: 10 },
  backslash: { answer: "invalid_request", points: 10 },
  /** Two slashes in a row in the path. */
  empty_segment: { answer: "not_found", points: 10 },
  /** A `;` in the path: servers interpret it differently. */
  path_parameter: { answer: "not_found", points: 10 },
  /** A path of software that is often attacked, unless the contract has such a route. */
  scanner_path: { answer: "not_found", points: 20 },
  method: { answer: "method_not_allowed", points: 10 },
  url_too_long: { answer: "uri_too_long", points: 10 },
} as const satisfies Record<string, { answer: ProblemCode; points: number }>;

export type ScreeningRule = keyof typeof SCREENING_RULES;

export interface Finding {
  readonly rule: ScreeningRule;
  /** Rule and place: printable, at most 200 characters, without any of the client's text. */
  readonly details: string;
}

/** @param where a few constant words */
export const finding = (rule: ScreeningRule, where: string): Finding => ({
  rule,
  details: `${rule}: ${where}`,
});

export const isScreeningRule = (rule: string): rule is ScreeningRule => Object.hasOwn(SCREENING_RULES, rule);
