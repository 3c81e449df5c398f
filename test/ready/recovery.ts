/** The tenth item: disaster recovery is planned, backed up, alerted on, and exercised. */
import { backups } from "../k8s/checks/backups.ts";
import { BACKUP, podsOf, RESTORE } from "../k8s/support/pods.ts";
import { postgresPrograms } from "../support/installed-postgres.ts";
import { type Judge, lineOf, open, type Repository, readText, unless } from "./item.ts";
import { runTests } from "./tests.ts";

const PLAN = "docs/disaster-recovery.md";
const TEST = "test/e2e/disaster-recovery.test.ts";
/** What the plan has a row for, with recovery point and time. */
const LOSSES = ["PostgreSQL", "Redis", "Signing key", "Cloudflare", "Region", "Registry", "Telemetry"];

/** The Secrets that the pods need: without them, no other cluster can take over. */
const secretsOf = ({ manifests }: Repository): string[] => [
  ...new Set(
    podsOf(manifests).flatMap(({ spec, containers }) => [
      ...containers.flatMap(({ env = [] }) =>
        env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef?.name ?? []),
      ),
      ...(spec.volumes ?? []).flatMap(({ secret }) => secret?.secretName ?? []),
    ]),
  ),
];

export const disasterRecovery: Judge = async (repository) => {
  const plan = readText(repository, PLAN) ?? "";
  const jobs = podsOf(repository.manifests).map(({ name }) => name);
  const secrets = secretsOf(repository);
  const alert = lineOf(repository, "container/rules/kubernetes.yaml", /alert: BackupMissing$/);
  const faults = [
    ...[BACKUP, RESTORE]
      .filter((name) => !jobs.includes(name))
      .map((name) => `the overlay production has no CronJob ${name}`),
    ...backups(repository.manifests),
    ...LOSSES.filter(
      (loss) => !new RegExp(`^\\| ${loss}[^|]*\\|[^|]*\\d[^|]*\\|[^|]*\\d`, "m").test(plan),
    ).map((loss) => `${PLAN} has no recovery of ${loss} with its recovery point and time`),
    ...secrets
      .filter((name) => !plan.includes(`\`${name}\``))
      .map((name) => `${PLAN} does not say where the Secret ${name} is kept`),
    ...(alert === undefined ? ["there is no alert BackupMissing"] : []),
  ];
  const evidence = [
    `CronJobs ${BACKUP} and ${RESTORE} (${lineOf(repository, "k8s/overlays/production/kustomization.yaml", /components\/backup/)}), ${alert}`,
    `${PLAN}: ${LOSSES.length} losses, ${secrets.length} Secrets`,
  ];
  if (faults.length > 0) return unless(faults, open());
  if (!repository.runsTests) return open(...evidence, `${TEST} was not run (--no-tests)`);
  if (postgresPrograms === undefined)
    return open(...evidence, "no restore here: PostgreSQL's server and client programs are not installed");
  const { verdict, evidence: results } = await runTests(repository, [TEST]);
  return { verdict, evidence: verdict === "passed" ? [...evidence, ...results] : results };
};
