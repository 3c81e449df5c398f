/** How the program itself understands what its container gets. */

import { DEFAULT_FILE, FILE_VARIABLE } from "../../../src/origin/config/file.ts";
import { type OriginConfigurationReading, readOriginConfiguration } from "../../../src/origin/config/read.ts";
import { environmentOf, mountedFile } from "./environment.ts";
import type { Manifests } from "./manifests.ts";
import { originContainer, originOf } from "./pods.ts";

/** Undefined where the manifests run no origin. */
export const originConfiguration = (manifests: Manifests): OriginConfigurationReading | undefined => {
  const pods = originOf(manifests);
  const container = originContainer(manifests);
  if (pods === undefined || container === undefined) return undefined;
  const environment = environmentOf(manifests, container);
  const path = environment[FILE_VARIABLE] ?? DEFAULT_FILE;
  const text = mountedFile(manifests, pods.spec, container, path);
  return readOriginConfiguration(environment, text === undefined ? undefined : { path, text });
};
