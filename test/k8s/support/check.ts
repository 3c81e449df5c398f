import type { Manifests } from "./manifests.ts";

/** Something that must hold of everything that is applied together. */
export interface Check {
  /** In the words in which a fault of it is told. */
  readonly name: string;
  /** Each fault in a sentence that names the object; none where it holds. */
  readonly find: (manifests: Manifests) => string[];
}
