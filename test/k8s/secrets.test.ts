/** The Secrets that the README and the docs create by command are the ones that the pods need. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { projectFolder } from "../../src/local/state-dir.ts";
import { originConfiguration, secretData } from "./support/environment.ts";
import { parseManifests, toManifests } from "./support/manifests.ts";

import { originContainer } from "./support/pods.ts";
import { hasKubectl, isRequired, renderObjects } from "./support/render.ts";

const VALUES = {
  DATABASE_URL: "postgres://user:password@database.example.com/app",
  REDIS_URL: "https://redis.example.com",
  REDIS_TOKEN: "token",
  EDGE_TOKEN: "token",
  SIGNING_KEYS: `k1:${"A".repeat(43)}=`,
};

/** The objects that a document's commands create, without a cluster. */
const created = (path: "README.md" | "docs/deploy.md") => {
  const lines = readFileSync(join(projectFolder, path), "utf8")
    .split("\n")
    .map((line) => line.replace(/ #.*/, "").trimEnd())
    .filter((line) => line.startsWith("kubectl create secret "));
  // The guide's fourth one is the edge's token for its telemetry.
  expect(lines).toHaveLength(path === "README.md" ? 3 : 4);
  return lines.flatMap((line) =>
    parseManifests(
      execFileSync("sh", ["-c", `${line} --dry-run=client -o yaml`], {
        encoding: "utf8",
        timeout: 30_000,
        env: { ...process.env, ...VALUES, NAMESPACE: "test" },
      }),
    ),
  );
};

describe.skipIf(!hasKubectl && !isRequired)("the Secrets created by command", () => {
  const bare = () => renderObjects({ base: ".", components: [] });

  test.for(["README.md", "docs/deploy.md"] as const)("of %s are the ones that the pods need", (path) => {
    const secrets = toManifests(created(path));
    const references = (originContainer(toManifests(bare()))?.env ?? []).flatMap(
      ({ valueFrom }) => valueFrom?.secretKeyRef ?? [],
    );
    expect(references.length).toBeGreaterThan(2);
    for (const { name, key, optional } of references)
      if (optional !== true)
        expect([name, Object.keys(secretData(secrets, name) ?? {})]).toEqual([
          name,
          expect.arrayContaining([key]),
        ]);
  });

  test("of docs/deploy.md are accepted by the origin, with Redis over HTTP too", () => {
    const manifests = toManifests([...bare(), ...created("docs/deploy.md")]);
    expect(originConfiguration(manifests)).toMatchObject({
      ok: true,
      value: {
        database: { url: VALUES.DATABASE_URL },
        redis: { url: VALUES.REDIS_URL, token: VALUES.REDIS_TOKEN },
      },
    });
  });
});
