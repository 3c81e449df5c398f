/** A server as OpenTelemetry's `server.address` and `server.port` name it. */
export const serverOf = (url: string): { readonly host: string; readonly port: number } => {
  const { hostname, port, protocol } = new URL(url);
  const byDefault = protocol === "https:" ? 443 : 80;
  return { host: hostname, port: port === "" ? byDefault : Number(port) };
};
