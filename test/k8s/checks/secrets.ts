/** No secret is written where everybody reads: real values in git, passwords outside Secrets. */
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import { Secret } from "kubernetes-models/v1/Secret";
import type { Check } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";
import { podsOf } from "../support/pods.ts";

/** What is meant for nothing that matters says so. */
const THROWAWAY_NAMESPACE = "breakwater-dev";
const PASSWORD_IN_URL = /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:[^\s/@]+@/i;
const SECRET_NAME = /(PASSWORD|PASSWD|SECRET|TOKEN|SIGNING_KEYS|API_KEY|DATABASE_URL|REDIS_URL)$/;

/** Keys of the origin's file, however deep, that hold secrets. */
const SECRET_LINE = /^\s*(signing_keys|token|password|passwd)\s*:\s*\S/m;
/** An argument such as `--token=…`, or its value behind `--token`. */
const SECRET_ARGUMENT = /^--?(token|password|secret|api-?key)(=|$)/i;

const isTold = (name: string, value: string): boolean =>
  PASSWORD_IN_URL.test(value) ||
  (name.endsWith(".yaml") && SECRET_LINE.test(value)) ||
  (SECRET_NAME.test(name) && value !== "");

export const secrets: Check = (manifests) => [
  ...manifests
    .of(Secret)
    .filter(({ metadata }) => metadata?.namespace !== THROWAWAY_NAMESPACE)
    .map((secret) => `${titleOf(secret)}: its values are in git`),
  ...manifests.of(ConfigMap).flatMap((map) =>
    Object.entries(map.data ?? {})
      .filter(([key, value]) => isTold(key, value))
      .map(([key]) => `${titleOf(map)}: ${key} holds a secret`),
  ),
  ...podsOf(manifests).flatMap(({ title, containers }) =>
    containers.flatMap(({ env = [], args = [], command = [] }) => [
      ...env
        .filter(({ name, value }) => value !== undefined && isTold(name, value))
        .map(({ name }) => `${title}: ${name} holds a secret`),
      ...[...command, ...args]
        .filter((word) => SECRET_ARGUMENT.test(word))
        .map((word) => `${title}: the argument ${word.split("=")[0]} holds a secret`),
    ]),
  ),
];
