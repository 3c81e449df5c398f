/** Whether a Host field (RFC 9110 §7.2) can be one: a name or an address, and at most one port. */
import { parseAddress } from "../context/client-address.ts";

/** The longest name (RFC 1035 §2.3.4), or an address in brackets, and a port. */
const MAX_LENGTH = 253 + 6;
const MAX_PORT = 65_535;

const HOST = /^(?:(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?|\[([0-9a-f:.]+)\])(?::([1-9]\d{0,4}))?$/i;

export const isPlausibleHost = (host: string): boolean => {
  if (host.length > MAX_LENGTH) return false;
  const parts = HOST.exec(host);
  if (parts === null) return false;
  const [, inBrackets, port = "1"] = parts;
  return Number(port) <= MAX_PORT && (inBrackets === undefined || parseAddress(inBrackets) !== undefined);
};
