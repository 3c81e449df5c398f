/** A collector that keeps the attributes of the resources it receives. */
import { text } from "node:stream/consumers";
import { serve, type TestServer } from "./listen.ts";

export interface ResourceCollector extends TestServer {
  /** `signal: name=value`, sorted, of each resource that was received, in all requests. */
  readonly received: readonly string[];
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string };
}

interface Envelope {
  readonly resource: { readonly attributes: readonly Attribute[] };
}

export const collectResources = async (): Promise<ResourceCollector> => {
  const received: string[] = [];
  const server = await serve(async (request, response) => {
    const body: Readonly<Record<string, readonly Envelope[]>> = JSON.parse(await text(request));
    for (const [signal, envelopes] of Object.entries(body))
      for (const { resource } of envelopes) {
        const attributes = resource.attributes.map(({ key, value }) => `${key}=${value.stringValue}`);
        received.push(`${signal}: ${attributes.sort().join(" ")}`);
      }
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  return { ...server, received };
};
