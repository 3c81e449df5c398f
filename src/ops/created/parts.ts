/** The parts of the template that `npm run create -- NAME --without PART` leaves out. */

/** Replaces the first match in a file, in the template's names. */
export interface Edit {
  readonly path: string;
  readonly from: string | RegExp;
  /** @default nothing */
  readonly to?: string;
}

export interface Part {
  readonly title: string;
  /** Files and folders. */
  readonly removed: readonly string[];
  /** Files and folders inside of the removed ones. */
  readonly kept?: readonly string[];
  /** Files and folders, after the removal; texts follow their new paths. */
  readonly moved?: Readonly<Record<string, string>>;
  readonly edits?: readonly Edit[];
  /** The part that contains it, and leaves nothing of it to change. */
  readonly within?: string;
}

/** Always left out, because it works once. */
export const CREATE: Part = {
  title: "create",
  removed: ["src/ops/create.ts", "src/ops/starter", "test/ops/create.test.ts"],
  edits: [
    { path: "package.json", from: '    "create": "node src/ops/create.ts",\n' },
    { path: "tsconfig.json", from: '    { "path": "src/ops/starter" },\n' },
    { path: "test/tsconfig.json", from: '    "../src/ops/starter",\n' },
    { path: "src/ops/tsconfig.json", from: '  "exclude": ["starter"],\n' },
    { path: "test/architecture/imports.test.ts", from: "/** The starter's files are for other places. */\n" },
    { path: "test/architecture/imports.test.ts", from: ' && !name.startsWith("ops/starter/")' },
    { path: "docs/your-api.md", from: /^## Make it yours\n[\s\S]*?(?=^## )/m },
    { path: ".ci/run", from: /^step "npm run create: .*\n.*\n/m },
    { path: "AGENTS.md", from: "`npm run create`, which makes a clone of the template a project; " },
  ],
};

const SHOP: Part = {
  title: "the sample shop; a small API of notes takes its place",
  removed: ["src/contract/api", "src/origin/api", "test/shop"],
  kept: ["src/origin/api/config.ts", "src/origin/api/jobs.ts", "src/origin/api/migrations.ts"],
  moved: { "src/ops/starter/src": "src", "src/ops/starter/test": "test" },
  edits: [
    {
      path: "docs/your-api.md",
      from: /It replaces the sample shop\nwith a small API of notes; every command.*/,
      to: "Its API of notes is the one\nthat `npm run create` has written.",
    },
    {
      path: "docs/your-api.md",
      from: /^## 2\. Remove the shop\n[\s\S]*?(?=What each file exports:)/m,
      to: "## 2. Know your files\n\nThe folders `src/contract/api` and `src/origin/api` are your API. ",
    },
  ],
};

const KUBERNETES: Part = {
  title: "the manifests, and the test of the image in their pod; compose stays",
  removed: [
    ...["k8s", "k8s/components/dashboards/kustomization.yaml", "test/k8s", "test/e2e/pod.test.ts"],
    ...["test/container/image.test.ts", "test/container/vitest.config.ts"],
    ...["container-pod", "load", "pod", "pod-plan", "process-pod"].map(
      (name) => `test/container/support/${name}.ts`,
    ),
    ...["container/observability/prometheus-rule.ts", "container/observability/alertmanager-config.ts"],
    ...["test/ready", "test/bench/hpa"],
  ],
  kept: ["k8s/components/dashboards", "k8s/components/otel-collector/tail-sampling.yaml"],
  moved: {
    "k8s/components/dashboards": "container/grafana/dashboards",
    "k8s/components/otel-collector/tail-sampling.yaml": "container/tail-sampling.yaml",
  },
  edits: [
    {
      path: "container/observability/generated.ts",
      from: 'import { operatorRules } from "./prometheus-rule.ts";\n',
    },
    { path: "container/observability/generated.ts", from: "  ...operatorRules(),\n" },
    {
      path: "container/observability/write.ts",
      from: " generates the dashboards, and the operator's copies of the rules, in k8s/,\n * where kustomize can read them. A test",
      to: " generates the dashboards. A test",
    },
    { path: "container/rules/recorded.yaml", from: /^#\n# These are plain[\s\S]*?if they differ\.\n/m },
    { path: "container/rules/recorded.yaml", from: /^ *# k8s\/components\/custom-metrics and keda.*\n/m },
    { path: "container/rules/kubernetes.yaml", from: ", for the object names in k8s/.", to: "." },
    {
      path: "container/prometheus.yaml",
      from: "The same rules as in k8s/components/prometheus-operator. kubernetes",
      to: "kubernetes",
    },
    {
      path: "wrangler.toml",
      from: "k8s/components/edge-telemetry in the cluster",
      to: "a collector behind that address",
    },
    { path: "test/vitest.config.ts", from: '  "test/k8s/combinations.test.ts",\n' },
    { path: "test/shop/documented-commands.test.ts", from: ', "container", "k8s"]', to: ', "container"]' },
    { path: "test/origin/redis/eviction.test.ts", from: '  "k8s/overlays/dev/redis.yaml",\n' },
    { path: "package.json", from: '      "k8s/overlays",\n' },
    { path: "package.json", from: '    "ready": "node test/ready/main.ts",\n' },
    { path: "test/bench/main.ts", from: 'import { benchHpa } from "./hpa/bench.ts";\n' },
    { path: "test/bench/main.ts", from: "  hpa: benchHpa,\n" },
    { path: "test/vitest.config.ts", from: ",origin,ready}", to: ",origin}" },
    { path: "test/vitest.config.ts", from: "{guards,hpa,overload,support}", to: "{guards,overload,support}" },
    { path: ".ci/run", from: 'step "readiness checklist" npm run ready\n' },
    { path: "package.json", from: /^ {4}"test:image": .*\n/m },
    { path: "CONTRIBUTING.md", from: /^.*test\/k8s` \|.*\n/m },
    { path: "CONTRIBUTING.md", from: /^\| `npm run test:image`.*\n/m },
    {
      path: "CONTRIBUTING.md",
      from: "Tests of the manifests need `kubectl` (1.28 or newer), those of the alert rules `promtool`, those of the routes",
      to: "Tests of the alert rules need `promtool`, those of the routes",
    },
    { path: "CONTRIBUTING.md", from: "`TEST_REQUIRES=kubectl,promtool`", to: "`TEST_REQUIRES=promtool`" },
    { path: "CONTRIBUTING.md", from: /^- `TEST_CLUSTER=1.*\n.*\n/m },
    { path: "CONTRIBUTING.md", from: /^- A new check of the manifests.*\n/m },
    {
      path: "AGENTS.md",
      from: /^\| `container\/`, `k8s\/`.*\n/m,
      to: "| `container/` | image, compose, dashboards, alert rules |\n",
    },
    {
      path: ".github/workflows/ci.yml",
      from: /^ {8}env:\n {10}# Without kubectl.*\n {10}TEST_REQUIRES: .*\n/m,
    },
    {
      path: ".github/workflows/ci.yml",
      from: /^ {6}- run: npm ci\n {6}- run: npm run test:image\n.*\n.*\n/m,
    },
    {
      path: ".github/dependabot.yml",
      from: "and the images of the manifests.\n  - package-ecosystem: docker\n    directories: [/container, /k8s/components/*, /k8s/overlays/dev]",
      to: "by digest or tag.\n  - package-ecosystem: docker\n    directories: [/container]",
    },
    { path: ".github/workflows/ci.yml", from: /\n {2}# An API server admits every overlay[\s\S]*$/ },
    {
      path: ".github/workflows/release.yml",
      from: /^ {6}- run: npm ci\n {6}- run: npm run test:image\n.*\n.*\n.*\n\n/m,
    },
    {
      path: ".ci/run",
      from: "every combination of the manifests, the image under the rendered\n# Deployment, ",
      to: "",
    },
    { path: ".ci/run", from: "kubectl,prometheus,", to: "prometheus," },
    {
      path: ".ci/run",
      from: "# kubectl must be installed already; packages provide",
      to: "# Packages provide",
    },
    { path: ".ci/run", from: "  kubectl version --client >/dev/null\n" },
    { path: ".ci/run", from: /^step "every combination of the manifests".*\n/m },
    { path: ".ci/run", from: /^step "image" image\n/m },
    { path: ".ci/run", from: /^# For machines without a registry[\s\S]*?(?=^# The pool benchmark)/m },
  ],
};

/** A component that no overlay needs. Tests of the manifests skip what is not there. */
const component = (name: string, title: string, more: Partial<Part> = {}): Part => ({
  title,
  within: "k8s",
  removed: [`k8s/components/${name}`, ...(more.removed ?? [])],
  edits: [
    { path: "k8s/kustomization.yaml", from: `#  - components/${name}\n` },
    { path: "docs/deploy.md", from: new RegExp(`^\\| \`${name}\`.*\\n`, "m") },
    ...(more.edits ?? []),
  ],
});

const OVERLAYS = ["dev", "direct", "staging", "production"] as const;
const KEDA_PATCHES =
  /(?: {2}# If the component keda.*\n {2}- target: .*\n {4}path: .*\n)? {2}- target: \{ kind: ScaledObject, name: web-api \}\n {4}patch: .*\n(?: {6}.*\n)+/;

/** By the names that `--without` takes. */
export const PARTS: Readonly<Record<string, Part>> = {
  shop: SHOP,
  k8s: KUBERNETES,
  ingress: component("ingress", "k8s/components/ingress"),
  cloudflared: component("cloudflared", "k8s/components/cloudflared"),
  "custom-metrics": component("custom-metrics", "k8s/components/custom-metrics"),
  keda: component("keda", "k8s/components/keda", {
    removed: ["k8s/overlays/dev/scaled-object.yaml", "k8s/overlays/staging/scaled-object.yaml"],
    edits: OVERLAYS.map((name) => ({ path: `k8s/overlays/${name}/kustomization.yaml`, from: KEDA_PATCHES })),
  }),
  "external-secrets": component("external-secrets", "k8s/components/external-secrets", {
    edits: [{ path: "k8s/kustomization.yaml", from: "# Secrets from a store instead of by command.\n" }],
  }),
};
