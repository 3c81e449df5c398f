// The image's HEALTHCHECK: the image has no curl, and fetch would take twice the time and memory. It reads no
// configuration file: if server.port is set there, set PORT as well.
import { get } from "node:http";

const { HOST: host = "127.0.0.1", PORT: port = "8080" } = process.env;
get({ host, port, path: "/health", timeout: 2_000 }, ({ statusCode }) =>
  process.exit(statusCode === 200 ? 0 : 1),
)
  .on("timeout", () => process.exit(1))
  .on("error", () => process.exit(1));
