/** An Ingress has only annotations of its controller, which ignores misspelled ones silently. */
import { Ingress } from "kubernetes-models/networking.k8s.io/v1/Ingress";
import { type Check, faultsOf, titleOf } from "../support/manifests.ts";

/** From https://github.com/kubernetes/ingress-nginx, docs/user-guide/nginx-configuration/annotations.md. */
const NGINX: Readonly<Record<string, RegExp>> = {
  "limit-burst-multiplier": /^\d+$/,
  "limit-connections": /^\d+$/,
  "limit-rpm": /^\d+$/,
  "limit-rps": /^\d+$/,
  "proxy-body-size": /^\d+[kmg]?$/,
  "proxy-buffering": /^(on|off)$/,
  // Seconds, without a unit.
  "proxy-connect-timeout": /^\d+$/,
  "proxy-next-upstream": /^[a-z_0-9 ]+$/,
  "proxy-next-upstream-tries": /^\d+$/,
  "proxy-read-timeout": /^\d+$/,
  "proxy-send-timeout": /^\d+$/,
  "ssl-redirect": /^(true|false)$/,
};
const PREFIX = "nginx.ingress.kubernetes.io/";

export const ingressAnnotations: Check = (manifests) =>
  manifests.of(Ingress).flatMap((ingress) => {
    const annotations = Object.entries(ingress.metadata?.annotations ?? {});
    const unknown = annotations
      .filter(([key]) => key.startsWith(PREFIX))
      .filter(([key, value]) => NGINX[key.slice(PREFIX.length)]?.test(value) !== true)
      .map(([key, value]) => `${titleOf(ingress)}: the controller ignores ${key}: ${value}`);
    const byAnnotation = annotations.some(([key]) => key === "kubernetes.io/ingress.class");
    const { ingressClassName, tls = [] } = ingress.spec ?? {};
    return [
      ...unknown,
      ...faultsOf(titleOf(ingress), {
        "its class must be in ingressClassName": byAnnotation || ingressClassName === undefined,
        "it serves without TLS": tls.length === 0,
      }),
    ];
  });
