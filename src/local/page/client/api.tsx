/** Calls of the page's server. */
import type { RequestOrder, RequestReport, SystemState } from "../state.ts";

const TIMEOUT_MS = 30_000;
const POLL_TIMEOUT_MS = 5_000;

/** From the banner's URL; it stays in this tab, out of the address bar and the history. */
const readToken = (): string => {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token !== null) {
    sessionStorage.setItem("token", token);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("token") ?? "";
};
const token = readToken();

/** Without it, the page only shows. */
export const hasToken = token !== "";

/** @throws Error with the server's message */
const call = async (method: string, path: string, body?: unknown): Promise<Response> => {
  const response = await fetch(path, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.ok) return response;
  const text = await response.text();
  throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 200)}`);
};

export const readState = async (): Promise<SystemState> => {
  const response = await fetch("/state.json", { signal: AbortSignal.timeout(POLL_TIMEOUT_MS) });
  if (!response.ok) throw new Error(`/state.json: ${response.status}`);
  return response.json();
};
export const switchFault = (name: string, isOn: boolean) =>
  call(isOn ? "POST" : "DELETE", `/faults/${encodeURIComponent(name)}`);
export const undoAll = () => call("DELETE", "/faults");
export const setLoad = (requestsPerSecond: number) => call("POST", "/load", { requestsPerSecond });
export const sendRequest = async (order: RequestOrder): Promise<RequestReport> =>
  (await call("POST", "/requests", order)).json();
export const readReport = async (id: string): Promise<RequestReport> =>
  (await call("GET", `/requests/${encodeURIComponent(id)}.json`)).json();
