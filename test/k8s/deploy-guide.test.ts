/** The commands and manifests of docs/deploy.md. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Gateway } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/Gateway";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { projectFolder } from "../../src/local/state-dir.ts";
import { unknownFields } from "./support/fields.ts";
import { schemaFaults } from "./support/kinds.ts";
import { parseManifests, toManifests } from "./support/manifests.ts";
import { isAllowed } from "./support/network-policy.ts";
import { hasKubectl, isRequired, renderObjects } from "./support/render.ts";

const NAMESPACE = "breakwater-production";

const text = readFileSync(join(projectFolder, "docs/deploy.md"), "utf8");

test("a rollback of the edge names its version: the default may have the secrets from before a rotation", () => {
  const commands = text.split("\n").filter((line) => /^npx wrangler rollback/.test(line));
  expect(commands.length).toBeGreaterThan(0);
  expect(commands.filter((line) => !/ rollback VERSION /.test(line))).toEqual([]);
});

const issuer = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    acme: z.object({
      solvers: z.tuple([
        z.object({
          http01: z.object({
            gatewayHTTPRoute: z.object({
              parentRefs: z.tuple([
                z.object({ name: z.string(), namespace: z.string(), sectionName: z.string() }),
              ]),
            }),
          }),
        }),
      ]),
    }),
  }),
});

const blocks = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block = ""]) => block);

describe.skipIf(!hasKubectl && !isRequired)("the guide's manifests", () => {
  const production = () => renderObjects({ base: "overlays/production", components: [] });

  test("include the issuer that the Gateway names, which answers through it", () => {
    const block = blocks.find((each) => each.includes("kind: ClusterIssuer"));
    const { metadata, spec } = issuer.parse(parse(block ?? ""));
    const [gateway] = toManifests(production()).of(Gateway);
    const [{ http01 }] = spec.acme.solvers;
    const [{ name, namespace, sectionName }] = http01.gatewayHTTPRoute.parentRefs;
    expect(gateway?.metadata?.annotations).toMatchObject({ "cert-manager.io/cluster-issuer": metadata.name });
    expect(gateway?.metadata).toMatchObject({ name, namespace });
    expect(gateway?.spec.listeners).toContainEqual(
      expect.objectContaining({ name: sectionName, protocol: "HTTP", port: 80 }),
    );
  });

  test("have the Gateway and the certificate that the step for DNS waits for", () => {
    const step = /\*\*4\. Point the host's DNS[\s\S]*?\*\*5\./.exec(text)?.[0] ?? "";
    const named = (kind: string) => new RegExp(`get ${kind} (\\S+)`).exec(step)?.[1];
    const gateways = toManifests(production()).of(Gateway);
    expect(gateways.map(({ metadata }) => metadata?.name)).toEqual([named("gateway")]);
    const certificates = gateways.flatMap(({ spec }) =>
      spec.listeners.flatMap(({ tls }) => tls?.certificateRefs?.map(({ name }) => name) ?? []),
    );
    expect(certificates).toEqual([named("certificate")]);
  });

  test("include a policy that lets the origin reach a service at another port", () => {
    const objects = blocks
      .filter((each) => each.includes("kind: NetworkPolicy"))
      .flatMap(parseManifests)
      // As the overlay does.
      .map((object) => ({ ...object, metadata: { ...object.metadata, namespace: NAMESPACE } }));
    expect(objects.flatMap(schemaFaults)).toEqual([]);
    expect(unknownFields(objects)).toEqual([]);
    const from = {
      namespace: NAMESPACE,
      labels: { "app.kubernetes.io/name": "web-api", "app.kubernetes.io/part-of": "breakwater" },
    };
    const flow = { from, to: { address: "203.0.113.7" }, port: 8443 };
    expect(isAllowed(toManifests(production()), flow)).toBe(false);
    expect(isAllowed(toManifests([...production(), ...objects]), flow)).toBe(true);
  });
});
