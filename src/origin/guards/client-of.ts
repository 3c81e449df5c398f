/** Who a request comes from, where no edge says so: by its connection, or by what the gateway in front writes. */
import { type Client, clientIdentities } from "../../middleware/context/client.ts";
import type { OriginContext } from "../route-operation.ts";

/** So many addresses are remembered as they were read. */
const MAX_CLIENTS = 10_000;

/** Of a list the last one: the gateway has added it, whatever the client had written before. */
const lastOf = (field: string | undefined): string | null => field?.split(",").at(-1)?.trim() ?? null;

/** @param gatewayField the header field that the gateway writes @default none: who connects is the client */
export const clientsBy = (gatewayField: string | undefined): ((c: OriginContext) => Client) => {
  const identify = clientIdentities(MAX_CLIENTS);
  return (c) =>
    identify(
      gatewayField === undefined
        ? (c.env?.incoming?.socket.remoteAddress ?? null)
        : lastOf(c.req.header(gatewayField)),
    );
};
