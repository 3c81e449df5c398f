/** nginx, configured as well as it goes: passive checks, kept connections, the next replica where one fails. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../../src/local/free-port.ts";
import { startProgram } from "../support/program-process.ts";
import { type Contestant, READY_REQUEST } from "./contestant.ts";
import { programPath } from "./programs.ts";
import { TIMEOUT_MS } from "./routes.ts";

/** A replica that does not answer is given up in time for others to be asked. */
export const TRY_TIMEOUT_MS = TIMEOUT_MS / 4;
export const CONNECT_TIMEOUT_MS = 250;

const configuration = (folder: string, port: number, ports: readonly number[], balance: string): string => `
worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
error_log stderr emerg;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 1000000;
  keepalive_timeout 300s;
  upstream replicas {
    zone replicas 256k;
    ${balance}
    ${ports.map((each) => `server 127.0.0.1:${each} max_fails=2 fail_timeout=2s;`).join("\n    ")}
    keepalive 256;
    keepalive_requests 1000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_connect_timeout ${CONNECT_TIMEOUT_MS}ms;
    proxy_read_timeout ${TRY_TIMEOUT_MS}ms;
    proxy_send_timeout ${TRY_TIMEOUT_MS}ms;
    proxy_next_upstream_tries 3;
    proxy_next_upstream_timeout ${TIMEOUT_MS}ms;
    proxy_next_upstream error timeout http_502 http_503 http_504;
    location / { proxy_pass http://replicas; }
    location /orders {
      proxy_next_upstream error timeout http_502 http_503 http_504 non_idempotent;
      proxy_pass http://replicas;
    }
  }
}
`;

const nginx = (title: string, balance: string, isChosen: boolean): Contestant => ({
  name: `nginx, ${title}`,
  isOurs: false,
  isChosen,
  start: async ({ folder, ports, signal }) => {
    const port = await freePort();
    const file = join(folder, "nginx.conf");
    await writeFile(file, configuration(folder, port, ports, balance));
    return await startProgram({
      name: "nginx",
      command: programPath("nginx"),
      args: ["-e", "stderr", "-p", folder, "-c", file],
      folder,
      port,
      readyRequest: READY_REQUEST,
      signal,
    });
  },
});

export const nginxContestants: readonly Contestant[] = [
  nginx("round robin", "", false),
  nginx("random two least_conn", "random two least_conn;", true),
];
