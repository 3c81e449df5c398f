import type { SecurityEvent } from "../../src/security-events/event.ts";
import type { System } from "./system.ts";

/** The security events of a client that the origins have logged so far. */
export const eventsOf = ({ logLines }: System, client: string): SecurityEvent[] =>
  logLines
    .filter((line) => line.includes('"security event"'))
    .map((line): SecurityEvent => JSON.parse(line).event)
    .filter((event) => event.client === client);
