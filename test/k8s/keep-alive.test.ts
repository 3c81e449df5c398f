import { describe, expect, test } from "vitest";
import { keepAliveOf } from "./checks/keep-alive.ts";
import { hasComponent } from "./support/combinations.ts";
import { toManifests } from "./support/manifests.ts";
import { hasKubectl, isRequired, renderObjects } from "./support/render.ts";

describe.skipIf(!hasKubectl && !isRequired)("an origin that closes idle connections", () => {
  const proxies = [
    ["gateway", 75_000, "the gateway"],
    ["cloudflared", 75_000, "cloudflared"],
    ["cloudflared", 90_000, "cloudflared"],
    ["ingress", 60_000, "ingress-nginx"],
  ] as const;

  test.for(proxies.filter(([name]) => hasComponent(name)))("behind %s after %i ms may lose a request", ([
    component,
    originMs,
    proxy,
  ]) => {
    const manifests = toManifests(renderObjects({ base: ".", components: [component] }));
    expect(keepAliveOf(originMs)(manifests)).toEqual([expect.stringMatching(`^${proxy} reuses`)]);
    expect(keepAliveOf(3_601_000)(manifests)).toEqual([]);
  });
});
