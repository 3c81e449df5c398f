/**
 * A security event in the shape of the Open Cybersecurity Schema Framework (schema.ocsf.io), so that a SIEM needs no
 * mapping of its own. Times are epoch milliseconds, as OCSF's `timestamp_t`.
 */
import { UNKNOWN_CLIENT } from "../middleware/context/client.ts";
import type { EventType, SecurityEvent } from "./event.ts";

const VERSION = "1.4.0";

interface OcsfClass {
  readonly class_uid: number;
  readonly class_name: string;
  readonly category_uid: number;
  readonly category_name: string;
}

const IAM = { category_uid: 3, category_name: "Identity & Access Management" };
const NETWORK = { category_uid: 4, category_name: "Network Activity" };
const FINDINGS = { category_uid: 2, category_name: "Findings" };
const APPLICATION = { category_uid: 6, category_name: "Application Activity" };

const CLASSES: Record<EventType, OcsfClass> = {
  auth_failure: { class_uid: 3002, class_name: "Authentication", ...IAM },
  rate_limit_exceeded: { class_uid: 4002, class_name: "HTTP Activity", ...NETWORK },
  suspicious_activity: { class_uid: 2004, class_name: "Detection Finding", ...FINDINGS },
  data_access: { class_uid: 6003, class_name: "API Activity", ...APPLICATION },
};

const SEVERITY = {
  informational: { severity_id: 1, severity: "Informational" },
  low: { severity_id: 2, severity: "Low" },
  medium: { severity_id: 3, severity: "Medium" },
} as const;

const SUCCESS = { status_id: 1, status: "Success" } as const;
const FAILURE = { status_id: 2, status: "Failure" } as const;
/** The profile `security_control`: somebody's request was stopped. */
const BLOCKED = { action_id: 2, action: "Denied", disposition_id: 2, disposition: "Blocked" } as const;

/** HTTP Activity's `activity_id`, by the method. */
const METHODS: Readonly<Record<string, number>> = {
  CONNECT: 1,
  DELETE: 2,
  GET: 3,
  HEAD: 4,
  OPTIONS: 5,
  POST: 6,
  PUT: 7,
  TRACE: 8,
  PATCH: 9,
};
const OTHER = 99;

const product = { name: "Breakwater", vendor_name: "Breakwater" };

/** What each class has of its own. */
const ownFields = (
  event: SecurityEvent,
): { readonly activity_id: number; readonly [name: string]: unknown } => {
  const endpoint = event.client === UNKNOWN_CLIENT ? { name: UNKNOWN_CLIENT } : { ip: event.client };
  switch (event.type) {
    case "auth_failure":
      return {
        activity_id: 1,
        activity_name: "Logon",
        ...SEVERITY.low,
        ...FAILURE,
        ...BLOCKED,
        status_detail: event.reason,
        user: { uid: event.user },
        service: { name: product.name },
        src_endpoint: endpoint,
        http_request: { uid: event.requestId },
      };
    case "rate_limit_exceeded": {
      const [method = "", path = ""] = event.endpoint.split(" ");
      return {
        activity_id: METHODS[method] ?? OTHER,
        ...SEVERITY.low,
        ...FAILURE,
        ...BLOCKED,
        status_code: "429",
        status_detail: `limits: ${event.limits.join(", ")}`,
        src_endpoint: endpoint,
        http_request: { uid: event.requestId, http_method: method, url: { path } },
        http_response: { code: 429 },
      };
    }
    case "suspicious_activity":
      return {
        activity_id: 1,
        activity_name: "Create",
        ...SEVERITY.medium,
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
        evidences: [{ src_endpoint: endpoint }],
      };
    case "data_access":
      return {
        activity_id: event.action === "read" ? 2 : 3,
        activity_name: event.action === "read" ? "Read" : "Update",
        ...SEVERITY.informational,
        ...SUCCESS,
        actor: { user: { uid: event.user } },
        api: { operation: event.route ?? "", request: { uid: event.requestId } },
        resources: [{ name: event.resource }],
        src_endpoint: endpoint,
      };
  }
};

const profilesOf = ({ type }: SecurityEvent): readonly string[] =>
  type === "data_access" ? [] : ["security_control"];

/** An object that keeps to the event's class. */
export const toOcsf = (event: SecurityEvent) => {
  const of = CLASSES[event.type];
  const own = ownFields(event);
  return {
    ...of,
    ...own,
    type_uid: of.class_uid * 100 + own.activity_id,
    time: event.atMs,
    start_time: event.atMs,
    end_time: event.lastAtMs,
    count: event.count,
    metadata: {
      version: VERSION,
      product,
      uid: event.id,
      correlation_uid: event.traceId ?? event.requestId,
      profiles: profilesOf(event),
    },
  };
};
