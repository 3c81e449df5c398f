/** The protection page over HTTP: its files, `/state.json`, and what changes something, for holders of the token alone. */
import { type Context, Hono } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { HTTPException } from "hono/http-exception";
import * as z from "zod/mini";
import { readAsset } from "./assets.ts";
import type { RequestOrder, RequestReport, SystemState } from "./state.ts";

export interface Page {
  state(): Promise<SystemState>;
  switches(): Pick<SystemState, "faults" | "load">;
  /** @returns false without such a fault @throws LocalError if it cannot be switched */
  setFault(name: string, isOn: boolean): Promise<boolean>;
  clearFaults(): Promise<void>;
  /** @param requestsPerSecond 0 stops it */
  setLoad(requestsPerSecond: number): void;
  send(order: RequestOrder): Promise<RequestReport>;
  /** @param id of a request that `send` has sent */
  report(id: string): RequestReport | undefined;
}

const MAX_REQUESTS_PER_SECOND = 500;

const loadBody = z.object({ requestsPerSecond: z.number().check(z.gte(0), z.lte(MAX_REQUESTS_PER_SECOND)) });
const orderBody = z.object({
  method: z.enum(["GET", "POST", "PUT", "PATCH", "DELETE"]),
  path: z.string().check(z.regex(/^\/[!-~]*$/, "must begin with / and have no spaces")),
  body: z.optional(z.unknown()),
  withKey: z.boolean(),
});

/**
 * - `GET /` and `/page/NAME`: the page; `GET /state.json`
 * - `GET /faults`, `POST` and `DELETE /faults/NAME` (on, off), `DELETE /faults` (all off): `{ faults, load }`
 * - `POST /load` with `{ requestsPerSecond }`
 * - `POST /requests` with a `RequestOrder`, and `GET /requests/ID.json`: a `RequestReport`
 *
 * All but GET need `Authorization: Bearer TOKEN` (401), and an Origin of the page itself, if any (403).
 *
 * @param page undefined while the system starts (503)
 */
export const createPageRoutes = (page: () => Page | undefined, token: string): Hono => {
  const app = new Hono();
  const started = (): Page => {
    const it = page();
    if (it === undefined) throw new HTTPException(503, { message: "The system is starting." });
    return it;
  };
  const message = "This needs the token of the address that npm start prints.";
  const unauthorized = { message: { message } };
  const requireToken = bearerAuth({
    ...{ token, noAuthenticationHeader: unauthorized },
    ...{ invalidAuthenticationHeader: unauthorized, invalidToken: unauthorized },
  });
  const guards = [requireOwnOrigin, requireToken] as const;

  app.get("/", (c) => asset(c, "index.html"));
  app.get("/page/:name", (c) => asset(c, c.req.param("name")));
  app.get("/state.json", async (c) => c.json(await started().state()));

  const answer = async (c: Context, change: () => Promise<void> | void): Promise<Response> => {
    await change();
    return c.json(started().switches());
  };
  app.get("/faults", (c) => c.json(started().switches()));
  const setFault = async (c: Context, isOn: boolean): Promise<Response> => {
    const name = c.req.param("name") ?? "";
    return await answer(c, async () => {
      if (!(await started().setFault(name, isOn)))
        throw new HTTPException(404, { message: `There is no fault ${name}.` });
    });
  };
  app.post("/faults/:name", ...guards, (c) => setFault(c, true));
  app.delete("/faults/:name", ...guards, (c) => setFault(c, false));
  app.delete("/faults", ...guards, (c) => answer(c, () => started().clearFaults()));
  app.post("/load", ...guards, async (c) => {
    const { requestsPerSecond } = await read(c, loadBody);
    return await answer(c, () => started().setLoad(requestsPerSecond));
  });

  app.post("/requests", ...guards, async (c) => c.json(await started().send(await read(c, orderBody))));
  app.get("/requests/:id{.+\\.json}", (c) => {
    const report = started().report(c.req.param("id").slice(0, -".json".length));
    if (report === undefined) throw new HTTPException(404, { message: "Not sent from this page." });
    return c.json(report);
  });
  return app;
};

/** A page of another site cannot choose its Origin, and browsers send it with every request that changes something. */
const requireOwnOrigin = async (c: Context, next: () => Promise<void>): Promise<void> => {
  const origin = c.req.header("origin");
  if (origin !== undefined && origin !== `http://${c.req.header("host")}`)
    throw new HTTPException(403, { message: "Only the page itself may change something." });
  await next();
};

const asset = async (c: Context, name: string): Promise<Response> => {
  const found = await readAsset(name);
  if (found === undefined) throw new HTTPException(404, { message: "Not found" });
  // An edit of the page shows with a reload.
  return c.body(found.body, 200, { "content-type": found.type, "cache-control": "no-cache" });
};

const read = async <T extends z.ZodMiniType>(c: Context, schema: T): Promise<z.output<T>> => {
  const result = schema.safeParse(await c.req.json().catch(() => undefined));
  if (result.success) return result.data;
  throw new HTTPException(400, { message: z.prettifyError(result.error) });
};
