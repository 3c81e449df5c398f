// The image's HEALTHCHECK: there is no curl in the image, and fetch would take twice the time and memory. It reads no
// file: who sets server.port there sets PORT for this too.
import { get } from "node:http";

const { HOST: host = "127.0.0.1", PORT: port = "8080" } = process.env;
get({ host, port, path: "/health", timeout: 2_000 }, ({ statusCode }) =>
  process.exit(statusCode === 200 ? 0 : 1),
)
  .on("timeout", () => process.exit(1))
  .on("error", () => process.exit(1));
