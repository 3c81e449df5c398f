/** JSON lines on standard output, through the origin's own log. */

import { toOcsf } from "../../../security-events/ocsf.ts";
import type { OriginLog } from "../../log/log.ts";
import type { Sink } from "../sink.ts";

export const stdoutSink = (log: OriginLog): Sink => {
  // Whatever the log leaves out, these it does not.
  const always = log.child({}, { level: "info" });
  return {
    name: "stdout",
    send: async (events) => {
      for (const event of events) {
        const line = { "event.name": `security.${event.type}`, event, ocsf: toOcsf(event) };
        always.info(event.traceId === null ? line : { ...line, trace_id: event.traceId }, "security event");
      }
      return { kind: "taken" };
    },
  };
};
