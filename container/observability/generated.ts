/** The files under k8s/ that are generated from this folder, from container/rules/ and from container/alertmanager.yaml. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { toAlertmanagerConfig } from "./alertmanager-config.ts";
import { dependencies } from "./dashboards/dependencies.ts";
import { edge } from "./dashboards/edge.ts";
import { origin } from "./dashboards/origin.ts";
import { overview } from "./dashboards/overview.ts";
import { security } from "./dashboards/security.ts";
import { toGrafana } from "./grafana.ts";
import { toPrometheusRule } from "./prometheus-rule.ts";

const projectFolder = join(import.meta.dirname, "../..");
const rulesFolder = join(projectFolder, "container/rules");

/** @returns file contents by path, relative to the project's folder */
export const generatedFiles = (): Record<string, string> => ({
  ...Object.fromEntries(
    [overview, edge, origin, dependencies, security].map((dashboard) => [
      `k8s/components/dashboards/${dashboard.uid}.json`,
      `${JSON.stringify(toGrafana(dashboard), null, 2)}\n`,
    ]),
  ),
  "k8s/components/prometheus-operator/alertmanager-config.yaml": toAlertmanagerConfig(
    readFileSync(join(projectFolder, "container/alertmanager.yaml"), "utf8"),
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
