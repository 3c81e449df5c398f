/**
 * The operator's copies of the rules: each file in the object that the operator reads, with its comments. The objects are in the
 * namespace of Prometheus, once per cluster: with one in each environment, each would evaluate its rules over all of them.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { toAlertmanagerConfig } from "./alertmanager-config.ts";

const containerFolder = join(import.meta.dirname, "..");
const rulesFolder = join(containerFolder, "rules");

/**
 * @param name the file's name without extension
 * @param rules the file's text: comments, then `groups:`
 */
const toPrometheusRule = (name: string, rules: string): string => {
  const start = rules.indexOf("groups:\n");
  if (start < 0) throw new Error(`container/rules/${name}.yaml has no groups`);
  const groups = rules
    .slice(start)
    .split("\n")
    .map((line) => (line === "" ? "" : `  ${line}`))
    .join("\n");
  return `# Generated from container/rules/${name}.yaml by: node container/observability/write.ts
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: breakwater-${name}
  namespace: monitoring
  labels:
    app.kubernetes.io/name: web-api
    app.kubernetes.io/part-of: breakwater
spec:
${groups}`;
};

/** @returns file contents by path, relative to the project's folder */
export const operatorRules = (): Record<string, string> => ({
  "k8s/components/prometheus-operator/alertmanager-config.yaml": toAlertmanagerConfig(
    readFileSync(join(containerFolder, "alertmanager.yaml"), "utf8"),
  ),
  ...Object.fromEntries(
    readdirSync(rulesFolder)
      .filter((name) => name.endsWith(".yaml"))
      .map((name) => [
        `k8s/components/prometheus-operator/rules/${name}`,
        toPrometheusRule(basename(name, ".yaml"), readFileSync(join(rulesFolder, name), "utf8")),
      ]),
  ),
});
