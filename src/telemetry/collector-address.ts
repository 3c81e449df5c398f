/** Where a collector takes OTLP over HTTP, by the address that somebody has for it. */

/** By convention OTLP over gRPC has the one, over HTTP the other (OTLP 1.x, "OTLP/gRPC Default Port", "OTLP/HTTP Default Port"). */
const GRPC_PORT = ":4317";
const HTTP_PORT = ":4318";

export interface CollectorAddress {
  /** Without a trailing slash: `/v1/traces` is below it. */
  readonly url: string;
  /** Whether another port is used than the one that was named, that of gRPC, which is not spoken here. */
  readonly isOtherPort: boolean;
}

/** @param text an absolute URL */
export const collectorAddress = (text: string): CollectorAddress => {
  const { protocol, host, pathname } = new URL(text);
  const isOtherPort = host.endsWith(GRPC_PORT);
  const authority = isOtherPort ? `${host.slice(0, -GRPC_PORT.length)}${HTTP_PORT}` : host;
  return { url: `${protocol}//${authority}${pathname.replace(/\/+$/, "")}`, isOtherPort };
};
