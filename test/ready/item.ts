/** The ten items of the readiness checklist: how each is judged. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubernetesObject, Manifests } from "../k8s/support/manifests.ts";

/** Open: nothing says that it holds, and nothing that it does not. */
export type Verdict = "passed" | "failed" | "open";

export interface Finding {
  readonly verdict: Verdict;
  /** Figures, files with lines, results; for a failure, what is wrong. */
  readonly evidence: readonly string[];
}

export interface Item extends Finding {
  readonly number: number;
  readonly title: string;
}

/** What is judged. */
export interface Repository {
  readonly folder: string;
  /** Of the overlay production. */
  readonly manifests: Manifests;
  readonly objects: readonly KubernetesObject[];
  /** Whether tests may run, which takes a minute. */
  readonly runsTests: boolean;
}

export type Judge = (repository: Repository) => Finding | Promise<Finding>;

export const passed = (...evidence: readonly string[]): Finding => ({ verdict: "passed", evidence });
export const open = (...evidence: readonly string[]): Finding => ({ verdict: "open", evidence });

/** @returns failed with the faults, or else the finding */
export const unless = (faults: readonly string[], otherwise: Finding): Finding =>
  faults.length > 0 ? { verdict: "failed", evidence: faults } : otherwise;

/** @returns undefined if the file does not exist */
export const readText = ({ folder }: Repository, path: string): string | undefined =>
  existsSync(join(folder, path)) ? readFileSync(join(folder, path), "utf8") : undefined;

/** @returns such as `k8s/base/deployment.yaml:117`; undefined if no line matches */
export const lineOf = (repository: Repository, path: string, pattern: RegExp): string | undefined => {
  const index = readText(repository, path)
    ?.split("\n")
    .findIndex((line) => pattern.test(line));
  return index === undefined || index < 0 ? undefined : `${path}:${index + 1}`;
};

/** The commit, and whether the work tree differs from it. */
export const revisionOf = ({ folder }: Repository): string => {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    const commit = git("rev-parse", "--short", "HEAD");
    return git("status", "--porcelain") === "" ? commit : `${commit} with changes`;
  } catch {
    return "no commit";
  }
};
