/** Log records of an ExportLogsServiceRequest (opentelemetry-proto, logs.proto). */
import type { JsonAt } from "./json-at.ts";
import {
  type Attributes,
  cut,
  MAX_TEXT,
  milliseconds,
  type PlainValue,
  plainValue,
  readAttributes,
  readId,
  readResource,
} from "./otlp-values.ts";

/** How many characters of a record's body are kept. */
const MAX_BODY = 16_384;

export interface LogRecord {
  /** Epoch milliseconds with fractions: when it happened, or else when it was observed. */
  readonly timeMs: number;
  /** 1 to 24; 0 where it is not said (Logs Data Model, "Field: SeverityNumber"). */
  readonly severityNumber: number;
  readonly severityText: string;
  readonly eventName: string;
  readonly body: PlainValue;
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
  /** `service.name` of its resource. */
  readonly service: string;
  readonly attributes: Attributes;
}

/** @throws ShapeError */
export const readLogRecords = (body: JsonAt): LogRecord[] =>
  body
    .get("resourceLogs")
    .list()
    .flatMap((resourceLogs) => {
      const { service } = readResource(resourceLogs.get("resource"));
      const scopes = resourceLogs.get("scopeLogs").list();
      const records = scopes.flatMap((scope) => scope.get("logRecords").list());
      return records.map((record) => readLogRecord(record, service));
    });

const readLogRecord = (json: JsonAt, service: string): LogRecord => {
  const time = json.get("timeUnixNano").uint64();
  const observed = json.get("observedTimeUnixNano").uint64();
  return {
    timeMs: milliseconds(time === 0n ? observed : time),
    severityNumber: json.get("severityNumber").enumeration(),
    severityText: cut(json.get("severityText").text(), MAX_TEXT),
    eventName: cut(json.get("eventName").text(), MAX_TEXT),
    body: plainValue(json.get("body"), MAX_BODY),
    traceId: readId(json.get("traceId"), 32),
    spanId: readId(json.get("spanId"), 16),
    service,
    attributes: readAttributes(json.get("attributes")),
  };
};
