/** Maps security events to the Open Cybersecurity Schema Framework (schema.ocsf.io). */
import { UNKNOWN_CLIENT } from "../middleware/context/client.ts";
import type { EventType, SecurityEvent } from "./event.ts";

const VERSION = "1.4.0";
const product = { name: "Breakwater", vendor_name: "Breakwater" };

/** The thousands of a class's uid are its category's uid. */
const ocsfClass = (class_uid: number, class_name: string, category_name: string) => ({
  class_uid,
  class_name,
  category_uid: Math.floor(class_uid / 1_000),
  category_name,
});

const CLASSES: Readonly<Record<EventType, ReturnType<typeof ocsfClass>>> = {
  auth_failure: ocsfClass(3002, "Authentication", "Identity & Access Management"),
  rate_limit_exceeded: ocsfClass(4002, "HTTP Activity", "Network Activity"),
  suspicious_activity: ocsfClass(2004, "Detection Finding", "Findings"),
  data_access: ocsfClass(6003, "API Activity", "Application Activity"),
};

/** From the profile `security_control`. */
const BLOCKED = { action_id: 2, action: "Denied", disposition_id: 2, disposition: "Blocked" };
const REJECTED = { severity_id: 2, severity: "Low", status_id: 2, status: "Failure", ...BLOCKED };

/** HTTP Activity's `activity_id` is the method's position, from 1. */
const METHODS = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE", "PATCH"];
const OTHER = 99;

interface ClassFields {
  readonly activity_id: number;
  readonly [name: string]: unknown;
}

const classFields = (event: SecurityEvent): ClassFields => {
  const src_endpoint = event.client === UNKNOWN_CLIENT ? { name: UNKNOWN_CLIENT } : { ip: event.client };
  switch (event.type) {
    case "auth_failure":
      return {
        activity_id: 1,
        activity_name: "Logon",
        ...REJECTED,
        status_detail: event.reason,
        user: { uid: event.user },
        service: { name: product.name },
        src_endpoint,
        http_request: { uid: event.requestId },
      };
    case "rate_limit_exceeded": {
      const [method = "", path = ""] = event.endpoint.split(" ");
      return {
        activity_id: METHODS.indexOf(method) + 1 || OTHER,
        ...REJECTED,
        status_code: "429",
        status_detail: `limits: ${event.limits.join(", ")}`,
        src_endpoint,
        http_request: { uid: event.requestId, http_method: method, url: { path } },
        http_response: { code: 429 },
      };
    }
    case "suspicious_activity":
      return {
        activity_id: 1,
        activity_name: "Create",
        severity_id: 3,
        severity: "Medium",
        ...BLOCKED,
        status_id: 1,
        status: "New",
        finding_info: {
          uid: event.id,
          title: event.rule,
          desc: event.details,
          first_seen_time: event.atMs,
          last_seen_time: event.lastAtMs,
          analytic: { name: event.rule, type_id: 1, type: "Rule" },
        },
        evidences: [{ src_endpoint }],
      };
    case "data_access":
      return {
        activity_id: event.action === "read" ? 2 : 3,
        activity_name: event.action === "read" ? "Read" : "Update",
        severity_id: 1,
        severity: "Informational",
        status_id: 1,
        status: "Success",
        actor: { user: { uid: event.user } },
        api: { operation: event.route ?? "", request: { uid: event.requestId } },
        resources: [{ name: event.resource }],
        src_endpoint,
      };
  }
};

/** The event as an object of its OCSF class. */
export const toOcsf = (event: SecurityEvent) => {
  const eventClass = CLASSES[event.type];
  const fields = classFields(event);
  return {
    ...eventClass,
    ...fields,
    type_uid: eventClass.class_uid * 100 + fields.activity_id,
    time: event.atMs,
    start_time: event.atMs,
    end_time: event.lastAtMs,
    count: event.count,
    metadata: {
      version: VERSION,
      product,
      uid: event.id,
      correlation_uid: event.traceId ?? event.requestId,
      profiles: event.type === "data_access" ? [] : ["security_control"],
    },
  };
};
