/** A proxy closes its idle connections before the origin does: otherwise it sends a request on a closed one. */
import { Gateway } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/Gateway";
import { Ingress } from "kubernetes-models/networking.k8s.io/v1/Ingress";
import { z } from "zod";
import { KEEP_ALIVE_TIMEOUT_MS } from "../../../src/origin/lifecycle/listen.ts";
import type { Check, Manifests } from "../support/manifests.ts";
import { podsOf } from "../support/pods.ts";

/** Defaults, in seconds: Envoy's `idle_timeout`, nginx's `upstream-keepalive-timeout`, cloudflared's `keepAliveTimeout`. */
const ENVOY_S = 3_600;
const NGINX_S = 60;
const CLOUDFLARED_S = 90;

/** A policy of Envoy Gateway, which overrides its default. */
const backendTrafficPolicy = z.object({
  kind: z.literal("BackendTrafficPolicy"),
  spec: z.object({ timeout: z.object({ http: z.object({ connectionIdleTimeout: z.string() }) }) }),
});

const UNIT_S: Readonly<Record<string, number>> = { h: 3_600, m: 60, s: 1, ms: 0.001 };

/** In seconds (GEP-2257). */
const seconds = (duration: string): number =>
  [...duration.matchAll(/(\d+)(ms|[hms])/g)].reduce(
    (sum, [, count, unit = ""]) => sum + Number(count) * (UNIT_S[unit] ?? Number.NaN),
    0,
  );

/** How long each proxy in front of the origin keeps an idle connection, in seconds. */
const proxies = (manifests: Manifests): Record<string, number> => {
  const policies = manifests.all.flatMap((object) => backendTrafficPolicy.safeParse(object).data ?? []);
  const written = policies.map(({ spec }) => seconds(spec.timeout.http.connectionIdleTimeout));
  return {
    ...(manifests.of(Gateway).length > 0
      ? { "the gateway": written.length > 0 ? Math.max(...written) : ENVOY_S }
      : {}),
    ...(manifests.of(Ingress).length > 0 ? { "ingress-nginx": NGINX_S } : {}),
    ...(podsOf(manifests).some(({ name }) => name === "cloudflared") ? { cloudflared: CLOUDFLARED_S } : {}),
  };
};

/** @param originMs how long the origin keeps an idle connection */
export const keepAliveOf =
  (originMs: number): Check =>
  (manifests) =>
    Object.entries(proxies(manifests))
      .filter(([, keptS]) => !(keptS * 1_000 < originMs))
      .map(
        ([proxy, keptS]) =>
          `${proxy} reuses connections that were idle for ${keptS} s; the origin closes them after ${originMs / 1_000} s`,
      );

export const keepAlive: Check = keepAliveOf(KEEP_ALIVE_TIMEOUT_MS);
