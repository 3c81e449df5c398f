/**
 * Looks at a request for what no client of an API sends: attempts to leave its paths, what scanners ask for, what two
 * servers might read in two ways. It decides by the request alone. An ordinary one costs one look at its path and one at
 * each of its header fields.
 */
import { type HeaderFields, screenHeaders } from "./headers.ts";
import { screenPath } from "./path.ts";
import { type Finding, finding } from "./rules.ts";

export interface ScreenedRequest {
  readonly method: string;
  /** As it was sent, without its query. */
  readonly path: string;
  /** With or without its leading `?`. */
  readonly query: string;
  /** Whether the contract has the path: then what scanners ask for is ordinary there. @default false */
  readonly isRoute?: boolean | undefined;
  /**
   * Left out, they are not looked at: a runtime that has bounded them already may ask more for going through them than
   * all of this costs.
   */
  readonly headers?: HeaderFields | undefined;
}

/** For the Allow field of a refused method. */
export const SCREENED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/** Of path and query together, UTF-16 code units, which for what a target may hold are bytes. */
export const MOST_URL_LENGTH = 8 * 1024;

const METHOD = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/;

/** The first thing that is wrong, or undefined. What is too long is not looked at any closer. */
export const screen = ({ method, path, query, isRoute, headers }: ScreenedRequest): Finding | undefined => {
  if (!METHOD.test(method)) return finding("method", "not one of HTTP's usual ones");
  if (path.length + query.length > MOST_URL_LENGTH) return finding("url_too_long", "path and query");
  return screenPath(path, isRoute) ?? screenQuery(query) ?? (headers && screenHeaders(headers));
};

const screenQuery = (query: string): Finding | undefined =>
  query !== "" && (query.includes("%00") || query.includes("\0"))
    ? finding("control_characters", "query")
    : undefined;
