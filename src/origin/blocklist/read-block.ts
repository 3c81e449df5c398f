/** What somebody wants blocked, checked: the same for the command and the API. */
import {
  isTooWide,
  type Network,
  parseNetwork,
  SHORTEST_PREFIX,
} from "../../middleware/blocklist/network.ts";

/** The network, or a sentence that says what is wrong. */
export const readBlockable = (text: string): Network | string => {
  const network = parseNetwork(text);
  if (network === undefined)
    return "Must be an address such as 192.0.2.7, or a range such as 192.0.2.0/24 or 2001:db8::/32";
  if (isTooWide(network))
    return `Must be no wider than /${SHORTEST_PREFIX[4]} of IPv4, or /${SHORTEST_PREFIX[6]} of IPv6`;
  return network;
};
