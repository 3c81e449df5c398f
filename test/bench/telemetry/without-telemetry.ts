/** For `node --import`: removes all telemetry from the origin, even metrics, which cannot be switched off. */
import { registerHooks } from "node:module";

const REPLACED = "/src/origin/telemetry/process-telemetry.ts";
const replacement = new URL("./no-telemetry.ts", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) => {
    const resolved = next(specifier, context);
    return resolved.url.endsWith(REPLACED) ? { ...resolved, url: replacement } : resolved;
  },
});
