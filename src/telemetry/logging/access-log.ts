/**
 * The line that every request leaves: one is written a request, so it is put together by hand, from what is constant,
 * what comes of closed sets and has been written before, and ids whose form is looked at.
 */
import { createBoundedMap } from "../../lib/bounded-map.ts";
import { createIsoTime, jsonText } from "./json-text.ts";
import { redact } from "./redact.ts";

export interface AccessFields {
  /** Of the answer, epoch milliseconds. */
  readonly timeMs: number;
  readonly method: string;
  /** The route's template; undefined where none matched. Never the path. */
  readonly route: string | undefined;
  readonly status: number;
  readonly durationMs: number;
  readonly requestId: string;
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits; undefined where there is no span. */
  readonly spanId?: string | undefined;
  readonly sampled: boolean;
  /** What the cache made of it. */
  readonly cache?: string | undefined;
  /** At origins. */
  readonly attempts?: number | undefined;
  readonly errorType?: string | undefined;
}

export interface AccessLineOptions {
  readonly serviceName: string;
  readonly serviceVersion: string;
}

/** Different methods, routes, outcomes and errors of which the text is kept. */
const MAX_KEPT_TEXTS = 512;
/** UTF-16 code units of a value. */
const MAX_UNITS = 256;
/** Of a longer one no more is looked through. */
const MAX_READ_UNITS = 2_048;

/** A UUID, and nothing longer. */
const MAX_ID_UNITS = 36;

/** Whether the id is of lower-case hexadecimal digits and hyphens; a loop, as a pattern takes three times as long. */
const isId = (text: string): boolean => {
  if (text.length > MAX_ID_UNITS) return false;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    const isDigit = unit >= 0x30 && unit <= 0x39;
    const isLetter = unit >= 0x61 && unit <= 0x66;
    if (!isDigit && !isLetter && unit !== 0x2d) return false;
  }
  return true;
};

/** JSON of a text that may be anything. A secret that is cut in two might not be seen: none is as long as the gap. */
const quoted = (text: string): string => {
  const open = redact(text.slice(0, MAX_READ_UNITS).toWellFormed());
  const sure = text.length > MAX_READ_UNITS ? open.slice(0, MAX_UNITS - MAX_READ_UNITS) : open;
  return jsonText(sure.slice(0, MAX_UNITS).toWellFormed());
};

const numberText = (value: number): string => (Number.isFinite(value) ? String(value) : "null");

/** The decimals of so many thousandths: to look them up is faster than to write a fraction. */
const decimals = (thousandths: number): string =>
  thousandths === 0 ? "" : `.${String(thousandths).padStart(3, "0").replace(/0+$/, "")}`;

/** @returns a writer of such lines: JSON without a newline, far below the bound of a line (log-line.ts) */
export const createAccessLine = ({
  serviceName,
  serviceVersion,
}: AccessLineOptions): ((fields: AccessFields) => string) => {
  const isoTime = createIsoTime();
  const decimalsOf = Array.from({ length: 1000 }, (_, thousandths) => decimals(thousandths));
  const kept = createBoundedMap<string>(MAX_KEPT_TEXTS);
  const constant =
    `","level":"info","message":"request","service.name":${quoted(serviceName)},` +
    `"service.version":${quoted(serviceVersion)},"http.request.method":`;

  /** At most three decimals. */
  const millisecondsText = (ms: number): string => {
    const thousandths = Math.round(Math.max(0, ms) * 1000);
    if (!Number.isSafeInteger(thousandths)) return numberText(ms);
    const whole = Math.floor(thousandths / 1000);
    return `${whole}${decimalsOf[thousandths - whole * 1000] ?? ""}`;
  };

  /** Of a closed set. */
  const known = (text: string): string => {
    const before = kept.get(text);
    if (before !== undefined) return before;
    const now = quoted(text);
    if (text.length <= MAX_UNITS) kept.set(text, now);
    return now;
  };

  const id = (text: string): string => (isId(text) ? `"${text}"` : quoted(text));

  return (fields) => {
    const { route, spanId, cache, attempts, errorType } = fields;
    let line = `{"time":"${isoTime(fields.timeMs)}${constant}${known(fields.method)}`;
    if (route !== undefined) line += `,"http.route":${known(route)}`;
    line += `,"http.response.status_code":${numberText(fields.status)}`;
    line += `,"durationMs":${millisecondsText(fields.durationMs)}`;
    line += `,"requestId":${id(fields.requestId)},"trace_id":${id(fields.traceId)}`;
    if (spanId !== undefined) line += `,"span_id":${id(spanId)}`;
    line += fields.sampled ? ',"sampled":true' : ',"sampled":false';
    if (cache !== undefined) line += `,"cache":${known(cache)}`;
    if (attempts !== undefined) line += `,"attempts":${numberText(attempts)}`;
    if (errorType !== undefined) line += `,"error.type":${known(errorType)}`;
    return `${line}}`;
  };
};
