/** Only a change of configuration rolls the pods. */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { projectFolder } from "../../src/local/state-dir.ts";
import { isLong } from "../support/runtime.ts";
import { hasKubectl, isRequired, k8sFolder, render, withCopy } from "./support/render.ts";

/** The others are similar. */
const BASES = isLong
  ? [".", "overlays/dev", "overlays/direct", "overlays/staging", "overlays/production"]
  : [".", "overlays/production"];

/** The changed lines of the rendering of `base`, as "before → after". */
const changesBy = (base: string, change: (copy: string) => void): string[] =>
  withCopy((copy) => {
    const before = render(join(copy, base)).yaml.split("\n");
    change(copy);
    const after = render(join(copy, base)).yaml.split("\n");
    expect(after).toHaveLength(before.length);
    return before.flatMap((line, at) => (line === after[at] ? [] : `${line.trim()} → ${after[at]?.trim()}`));
  });

const replaceIn = (path: string, part: string, by: string): void => {
  const text = readFileSync(path, "utf8");
  if (!text.includes(part)) throw new Error(`${path} has no ${part}`);
  writeFileSync(path, text.replace(part, by));
};

const NEW_NAME = (name: string): RegExp =>
  new RegExp(`^(- )?name: ${name}-(\\w{10}) → (- )?name: ${name}-(?!\\2)\\w{10}$`);

describe.skipIf(!hasKubectl && !isRequired)("the rendered manifests", () => {
  test.for(BASES)("of %s: a change of the file renames its ConfigMap, there and in the pods", (base) => {
    const changes = changesBy(base, (copy) =>
      replaceIn(join(copy, "base/app.yaml"), "drain_timeout: 30s", "drain_timeout: 29s"),
    );
    const [line, ...names] = changes;
    expect(line).toBe("drain_timeout: 30s → drain_timeout: 29s");
    expect(names.length).toBeGreaterThan(1);
    expect(names[0]).toMatch(NEW_NAME("web-api-config"));
    expect(new Set(names).size).toBe(1);
  });

  test.for(BASES)("of %s: a change of a variable renames its ConfigMap", (base) => {
    const changes = changesBy(base, (copy) =>
      replaceIn(join(copy, base, "kustomization.yaml"), "ORIGIN_AUTHORITIES=", "ORIGIN_AUTHORITIES=new-"),
    );
    const names = changes.filter((line) => NEW_NAME("web-api-environment").test(line));
    expect(names.length).toBeGreaterThan(1);
    expect(changes.some((line) => line.startsWith("ORIGIN_AUTHORITIES: "))).toBe(true);
  });

  test.for(BASES)("of %s: a comment changes nothing", (base) => {
    expect(changesBy(base, () => undefined)).toEqual([]);
    expect(
      changesBy(base, (copy) => appendFileSync(join(copy, base, "kustomization.yaml"), "\n# Nothing.\n")),
    ).toEqual([]);
  });

  test("have this project's version", () => {
    const { version } = z
      .object({ version: z.string() })
      .parse(JSON.parse(readFileSync(join(projectFolder, "package.json"), "utf8")));
    const { yaml } = render(join(k8sFolder, "base"));
    expect(yaml.match(/app.kubernetes.io\/version: .*/g)).toEqual(
      expect.arrayContaining([`app.kubernetes.io/version: ${version}`]),
    );
    expect(yaml).toContain(`image: web-api:${version}`);
  });
});
