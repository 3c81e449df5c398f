/**
 * Wraps a plain rule file in the Prometheus operator's object, and keeps its comments. The object is in the namespace of
 * Prometheus, once per cluster: with one in each environment, each would evaluate its rules over all of them.
 */

/**
 * @param name the file's name without extension
 * @param rules the file's text: comments, then `groups:`
 */
export const toPrometheusRule = (name: string, rules: string): string => {
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
