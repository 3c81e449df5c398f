/** Errors for the user, in one line without a stack: cause and remedy. */

import { isAbsolute } from "node:path";

/** An expected failure; its message is that line. */
export class LocalError extends Error {
  override readonly name = "LocalError";
}

/** Whether the operating system reported an error with this code. */
export const isSystemError = (error: unknown, code: string): error is NodeJS.ErrnoException =>
  error instanceof Error && "code" in error && error.code === code;

const CAUSES = new Map([
  ["EACCES", "this user has no access"],
  ["EPERM", "this user has no access"],
  ["EEXIST", "a file has its name"],
  ["ENOTDIR", "one of its folders is a file"],
  ["EISDIR", "it is a folder"],
  ["ENOSPC", "the disk is full"],
  ["EROFS", "the disk is read-only"],
]);

interface FileError extends Error {
  readonly code: string;
  readonly path: string;
}

const isFileError = (error: unknown): error is FileError =>
  error instanceof Error &&
  "code" in error &&
  typeof error.code === "string" &&
  "path" in error &&
  typeof error.path === "string" &&
  isAbsolute(error.path);

/** The line for any error. */
export const describeError = (error: unknown): string => {
  if (!isFileError(error)) return error instanceof Error ? error.message : String(error);
  const cause = CAUSES.get(error.code) ?? error.code;
  return `cannot use ${error.path} (${cause}): correct that, or set BREAKWATER_FOLDER to another folder`;
};
