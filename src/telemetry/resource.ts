/** The resource of a tier's telemetry: its service, and the attributes of OTEL_RESOURCE_ATTRIBUTES. */
import { parsed } from "../lib/variables.ts";
import { decoded } from "./collector.ts";

export interface Service {
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** @default none */
  readonly resourceAttributes?: Readonly<Record<string, string>> | undefined;
}

/** Under OpenTelemetry's names. */
export const resourceOf = ({ serviceName, serviceVersion, resourceAttributes }: Service) => ({
  ...resourceAttributes,
  "service.name": serviceName,
  "service.version": serviceVersion,
});

/** @returns undefined if any of it is malformed (OpenTelemetry specification, "Resource SDK") */
export const readResourceAttributes = (text: string): Readonly<Record<string, string>> | undefined => {
  const attributes: [string, string][] = [];
  for (const part of text.split(",").filter((each) => each.trim() !== "")) {
    const [written = "", ...rest] = part.split("=");
    const name = decoded(written.trim());
    const value = decoded(rest.join("=").trim());
    if (!name || value === undefined || rest.length === 0) return undefined;
    attributes.push([name, value]);
  }
  return Object.fromEntries(attributes);
};

export const resourceAttributes = parsed(
  "attributes such as deployment.environment.name=production, percent-encoded, with commas between them",
  readResourceAttributes,
);
