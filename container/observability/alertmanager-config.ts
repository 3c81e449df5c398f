/** The Prometheus operator's copy of container/alertmanager.yaml, with receivers that send. */
import { parse, stringify } from "yaml";

interface Route {
  readonly receiver: string;
  readonly matchers?: readonly string[];
  readonly group_by?: readonly string[];
  readonly group_wait?: string;
  readonly group_interval?: string;
  readonly repeat_interval?: string;
  readonly routes?: readonly Route[];
}

interface Config {
  readonly route: Route;
  readonly receivers: readonly { readonly name: string }[];
  readonly inhibit_rules: readonly {
    readonly source_matchers: readonly string[];
    readonly target_matchers: readonly string[];
    readonly equal: readonly string[];
  }[];
}

const matcherOf = (text: string) => {
  const [, name, matchType, value] = /^(\w+)(=~|!~|!=|=)"(.*)"$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`container/alertmanager.yaml: not a matcher: ${text}`);
  return { name, matchType, value };
};

/** Undefined values are left out. */
const routeOf = ({ receiver, matchers, routes, ...route }: Route): object => ({
  receiver,
  matchers: matchers?.map(matcherOf),
  groupBy: route.group_by,
  groupWait: route.group_wait,
  groupInterval: route.group_interval,
  repeatInterval: route.repeat_interval,
  routes: routes?.map(routeOf),
});

const secret = (key: string) => ({ name: "alert-receivers", key });

/** The settings of each receiver that sends. Replace them with those of your services. */
const SENDING: Readonly<Record<string, object>> = {
  page: { pagerdutyConfigs: [{ routingKey: secret("page"), sendResolved: true }] },
  ticket: {
    slackConfigs: [
      {
        apiURL: secret("ticket"),
        sendResolved: true,
        title: "{{ .CommonLabels.alertname }} {{ .CommonLabels.namespace }} ({{ .Status }})",
        text: "{{ range .Alerts }}{{ .Annotations.description }} {{ .Annotations.runbook_url }}\n{{ end }}",
      },
    ],
  },
  // Such as Dead Man's Snitch or healthchecks.io.
  heartbeat: { webhookConfigs: [{ urlSecret: secret("heartbeat"), sendResolved: false }] },
};

/** @param config the text of container/alertmanager.yaml */
export const toAlertmanagerConfig = (config: string): string => {
  const { route, receivers, inhibit_rules }: Config = parse(config);
  const object = {
    apiVersion: "monitoring.coreos.com/v1alpha1",
    kind: "AlertmanagerConfig",
    metadata: {
      name: "breakwater",
      namespace: "monitoring",
      labels: { "app.kubernetes.io/name": "web-api", "app.kubernetes.io/part-of": "breakwater" },
    },
    spec: {
      route: routeOf(route),
      receivers: receivers.map(({ name }) => ({ name, ...SENDING[name] })),
      inhibitRules: inhibit_rules.map(({ source_matchers, target_matchers, equal }) => ({
        sourceMatch: source_matchers.map(matcherOf),
        targetMatch: target_matchers.map(matcherOf),
        equal,
      })),
    },
  };
  return `# Generated from container/alertmanager.yaml by: node container/observability/write.ts
# Its receivers need the Secret alert-receivers: see kustomization.yaml.
${stringify(object, { lineWidth: 0, defaultKeyType: "PLAIN", defaultStringType: "QUOTE_DOUBLE" })}`;
};
