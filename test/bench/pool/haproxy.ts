/** HAProxy, configured as well as it goes: active and passive checks, layer-7 retries at another replica. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../../src/local/free-port.ts";
import { startProgram } from "../support/program-process.ts";
import { type Contestant, READY_REQUEST } from "./contestant.ts";
import { CONNECT_TIMEOUT_MS, TRY_TIMEOUT_MS } from "./nginx.ts";
import { programPath } from "./programs.ts";
import { HEALTH_PATH } from "./replica.ts";

const configuration = (port: number, ports: readonly number[], balance: string): string => `
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
  balance ${balance}
  http-request disable-l7-retry if METH_POST !{ req.hdr(idempotency-key) -m found }
  option httpchk GET ${HEALTH_PATH}
  default-server check inter 500ms fastinter 250ms fall 2 rise 2 observe layer7 error-limit 5 on-error mark-down
  ${ports.map((each, index) => `server replica${index} 127.0.0.1:${each}`).join("\n  ")}
`;

const haproxy = (balance: string, isChosen: boolean): Contestant => ({
  name: `HAProxy, ${balance}`,
  isOurs: false,
  isChosen,
  start: async ({ folder, ports, signal }) => {
    const port = await freePort();
    await writeFile(join(folder, "haproxy.cfg"), configuration(port, ports, balance));
    return await startProgram({
      name: "HAProxy",
      command: programPath("haproxy"),
      args: ["-db", "-f", "haproxy.cfg"],
      folder,
      port,
      readyRequest: READY_REQUEST,
      signal,
    });
  },
});

export const haproxyContestants: readonly Contestant[] = [
  haproxy("roundrobin", false),
  haproxy("leastconn", true),
  haproxy("random(2)", false),
];
