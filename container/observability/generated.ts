/** The files that are generated from this folder, from container/rules/ and from container/alertmanager.yaml. */
import { dependencies } from "./dashboards/dependencies.ts";
import { edge } from "./dashboards/edge.ts";
import { origin } from "./dashboards/origin.ts";
import { overview } from "./dashboards/overview.ts";
import { security } from "./dashboards/security.ts";
import { toGrafana } from "./grafana.ts";
import { operatorRules } from "./prometheus-rule.ts";

/** @returns file contents by path, relative to the project's folder */
export const generatedFiles = (): Record<string, string> => ({
  ...Object.fromEntries(
    [overview, edge, origin, dependencies, security].map((dashboard) => [
      `k8s/components/dashboards/${dashboard.uid}.json`,
      `${JSON.stringify(toGrafana(dashboard), null, 2)}\n`,
    ]),
  ),
  ...operatorRules(),
});
