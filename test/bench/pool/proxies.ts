/** nginx and HAProxy, each as well configured as it can be. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../../src/local/free-port.ts";
import { LocalError } from "../../../src/local/local-error.ts";
import type { Run } from "../support/bench.ts";
import { rawRequest } from "../support/request-batch.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import { HEALTH_PATH } from "./replica.ts";
import { TIMEOUT_MS } from "./routes.ts";
import type { Upstream } from "./upstream.ts";

export interface StartOptions {
  /** An empty one, for its configuration. */
  readonly folder: string;
  readonly upstream: Upstream;
}

/** A program that spreads requests over replicas. */
export interface Contestant {
  readonly name: string;
  readonly isOurs: boolean;
  /** @throws LocalError if it does not start */
  start(options: StartOptions, run: Run): Promise<ServerProcess>;
}

export const READY_REQUEST = rawRequest({
  method: "GET",
  target: "/items/1",
  headers: { host: "127.0.0.1", connection: "close" },
});

/** Leaves time for other replicas after one that does not respond. */
const TRY_TIMEOUT_MS = TIMEOUT_MS / 4;
const CONNECT_TIMEOUT_MS = 250;

/** For the report. */
export const PROXY_CONDITIONS = [
  `nginx: one worker, 256 kept connections, max_fails=2 fail_timeout=2s, 3 tries of ${TRY_TIMEOUT_MS} ms (${CONNECT_TIMEOUT_MS} ms to connect) within ${TIMEOUT_MS} ms`,
  `HAProxy: one thread, http-reuse always, 3 retries of ${TRY_TIMEOUT_MS} ms (${CONNECT_TIMEOUT_MS} ms to connect), checks each 500 ms and observe layer7`,
];

type Program = "nginx" | "haproxy";

/** Besides the PATH, which lacks it for most users. */
const ELSEWHERE = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];

/** @throws LocalError that says how to install it */
const programPath = (program: Program): string => {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter).filter(Boolean), ...ELSEWHERE];
  const path = folders.map((folder) => join(folder, program)).find(existsSync);
  if (path !== undefined) return path;
  throw new LocalError(
    `${program} was not found. This benchmark measures against nginx and HAProxy, and installs neither:
  Debian, Ubuntu  apt-get install --no-install-recommends nginx-light haproxy
  macOS           brew install nginx haproxy
Neither has to run: the benchmark starts its own, on free ports of 127.0.0.1.`,
  );
};

const VERSION_TIMEOUT_MS = 5_000;

/** Such as "nginx/1.22.1". */
export const programVersion = async (program: Program): Promise<string> => {
  const { stdout, stderr } = await promisify(execFile)(programPath(program), ["-v"], {
    timeout: VERSION_TIMEOUT_MS,
  });
  const [line = program] = `${stdout}${stderr}`.split("\n");
  return line.replace(/^nginx version: | - https.*$/g, "").trim();
};

const nginxConfiguration = (port: number, ports: readonly number[]): string => `
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr emerg;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 1000000;
  keepalive_timeout 300s;
  upstream replicas {
    zone replicas 256k;
    random two least_conn;
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

const haproxyConfiguration = (port: number, ports: readonly number[]): string => `
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect ${CONNECT_TIMEOUT_MS}ms
  timeout server ${TRY_TIMEOUT_MS}ms
  timeout client 300s
  timeout http-keep-alive 300s
  timeout queue ${TRY_TIMEOUT_MS}ms
  timeout check ${TRY_TIMEOUT_MS}ms
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response junk-response response-timeout 0rtt-rejected 502 503 504
  option http-keep-alive
  http-reuse always
frontend edge
  bind 127.0.0.1:${port} backlog 4096
  default_backend replicas
backend replicas
  balance leastconn
  http-request disable-l7-retry if METH_POST !{ req.hdr(idempotency-key) -m found }
  option httpchk GET ${HEALTH_PATH}
  default-server check inter 500ms fastinter 250ms fall 2 rise 2 observe layer7 error-limit 5 on-error mark-down
${ports.map((each, index) => `  server replica${index} 127.0.0.1:${each}`).join("\n")}
`;

/** By program, the configuration and the arguments that read it from a file. */
const PRODUCTS = {
  nginx: {
    configuration: nginxConfiguration,
    args: (folder: string, file: string) => ["-e", "stderr", "-p", folder, "-c", file],
  },
  haproxy: { configuration: haproxyConfiguration, args: (_: string, file: string) => ["-db", "-f", file] },
};

const proxy = (program: Program, name: string): Contestant => ({
  name,
  isOurs: false,
  start: async ({ folder, upstream: { ports } }, run) => {
    const { configuration, args } = PRODUCTS[program];
    const port = await freePort();
    const file = join(folder, `${program}.conf`);
    await writeFile(file, configuration(port, ports));
    return await startServer(
      {
        name,
        command: programPath(program),
        args: args(folder, file),
        folder,
        port,
        readyRequest: () => READY_REQUEST,
      },
      run,
    );
  },
});

export const PROXIES: readonly Contestant[] = [
  proxy("nginx", "nginx, random two least_conn"),
  proxy("haproxy", "HAProxy, leastconn"),
];
