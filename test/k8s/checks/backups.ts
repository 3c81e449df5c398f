/** Backups are made on time, one at a time, by pods that cannot decrypt them; a restore starts only on demand. */
import { CronJob } from "kubernetes-models/batch/v1/CronJob";
import { type Check, faultsOf } from "../support/manifests.ts";
import { BACKUP, originContainer, podsOf, RESTORE } from "../support/pods.ts";

/** The Secret with the identity that decrypts, which exists during a restore. */
const IDENTITY = "restore";

export const backups: Check = (manifests) => {
  const origin = originContainer(manifests);
  const ours = podsOf(manifests).filter(({ name }) => name === BACKUP || name === RESTORE);
  const jobs = manifests
    .of(CronJob)
    .filter(({ metadata }) => ours.some(({ name }) => name === metadata?.name));
  const [, repository = ""] = /^(.*\/web-api|web-api):/.exec(origin?.image ?? "") ?? [];
  return [
    ...jobs.flatMap(({ metadata, spec }) =>
      faultsOf(`CronJob ${metadata?.name}`, {
        "two may run at once": spec?.concurrencyPolicy !== "Forbid",
        "it runs without end": spec?.jobTemplate.spec?.activeDeadlineSeconds === undefined,
        "it is suspended, so nothing is backed up": metadata?.name === BACKUP && spec?.suspend === true,
        "it would run by itself": metadata?.name === RESTORE && spec?.suspend !== true,
      }),
    ),
    ...ours.flatMap(({ title, name, spec, containers }) =>
      faultsOf(title, {
        "it has another image than the origin": containers.some(
          ({ image = "" }) => image !== origin?.image && image.startsWith(`${repository}:`),
        ),
        "it has the key that decrypts the backups":
          name === BACKUP &&
          (spec.volumes?.some(({ secret }) => secret?.secretName === IDENTITY) ||
            containers.some(({ env = [] }) =>
              env.some(({ valueFrom }) => valueFrom?.secretKeyRef?.name === IDENTITY),
            )),
      }),
    ),
  ];
};
