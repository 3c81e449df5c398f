/** Every container says what it needs and what it may use; memory, which cannot be taken back, is both at once. */
import type { Check } from "../support/check.ts";
import { podsOf } from "../support/pods.ts";
import { quantity } from "../support/quantity.ts";

export const limits: Check = {
  name: "limits",
  find: (manifests) =>
    podsOf(manifests).flatMap(({ title, containers }) =>
      containers.flatMap(({ name, resources = {} }) => {
        const { requests = {}, limits: most = {} } = resources;
        const place = `${title}, ${name}`;
        const missing = [
          ...["cpu", "memory"].filter((key) => requests[key] === undefined).map((key) => `request of ${key}`),
          ...["cpu", "memory"].filter((key) => most[key] === undefined).map((key) => `limit of ${key}`),
        ];
        if (missing.length > 0) return missing.map((what) => `${place}: there is no ${what}`);
        return [
          ...(quantity(requests["memory"]) === quantity(most["memory"])
            ? []
            : [`${place}: memory is promised (${requests["memory"]}) in another amount than allowed`]),
          ...(quantity(requests["cpu"]) <= quantity(most["cpu"])
            ? []
            : [`${place}: more CPU is asked for than allowed`]),
        ];
      }),
    ),
};
