import type { Manifests } from "./manifests.ts";

/** What must hold of everything that is applied together. @returns each fault in a sentence that names the object */
export type Check = (manifests: Manifests) => string[];

/** @returns the sentences whose condition holds, behind the title */
export const faultsOf = (title: string, conditions: Readonly<Record<string, boolean>>): string[] =>
  Object.entries(conditions)
    .filter(([, isFault]) => isFault)
    .map(([sentence]) => `${title}: ${sentence}`);
