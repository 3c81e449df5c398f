/** Every container says what it needs and what it may use; memory, which cannot be taken back, is both at once. */
import { type Check, faultsOf } from "../support/check.ts";
import { podsOf } from "../support/pods.ts";
import { quantity } from "../support/quantity.ts";

const KEYS = ["cpu", "memory"] as const;

export const limits: Check = (manifests) =>
  podsOf(manifests).flatMap(({ title, containers }) =>
    containers.flatMap(({ name, resources: { requests = {}, limits: most = {} } = {} }) => {
      const place = `${title}, ${name}`;
      const missing = [
        ...KEYS.filter((key) => requests[key] === undefined).map((key) => `request of ${key}`),
        ...KEYS.filter((key) => most[key] === undefined).map((key) => `limit of ${key}`),
      ];
      if (missing.length > 0) return missing.map((what) => `${place}: there is no ${what}`);
      return faultsOf(place, {
        [`memory is promised (${requests["memory"]}) in another amount than allowed`]:
          quantity(requests["memory"]) !== quantity(most["memory"]),
        "more CPU is asked for than allowed": quantity(requests["cpu"]) > quantity(most["cpu"]),
      });
    }),
  );
