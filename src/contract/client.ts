/** A typed client of the contract: `hono/client` with types derived from the routes. */
import type { Hono } from "hono";
import { type ClientRequestOptions, hc } from "hono/client";
import type { BlankEnv } from "hono/types";
import type * as z from "zod/mini";
import type { Contract } from "./contract.ts";
import type { ProblemDetails } from "./problem.ts";
import type { Route, Routes, Schema } from "./route.ts";

type In<S> = S extends Schema ? z.input<S> : never;
type Out<S> = S extends Schema ? z.output<S> : Record<never, never>;
type Part<R extends Route, Key extends string> = R["request"] extends { readonly [K in Key]: infer S }
  ? S
  : unknown;

type Arguments<R extends Route> = (Part<R, "params"> extends Schema
  ? { param: In<Part<R, "params">> }
  : unknown) &
  (Part<R, "query"> extends Schema ? Needed<"query", QueryStrings<In<Part<R, "query">>>> : unknown) &
  (Part<R, "headers"> extends Schema ? Needed<"header", In<Part<R, "headers">>> : unknown) &
  (Part<R, "body"> extends Schema ? { json: In<Part<R, "body">> } : unknown);

/** Optional if all its fields are. */
type Needed<Name extends string, Fields> =
  Record<never, never> extends Fields ? { [N in Name]?: Fields } : { [N in Name]: Fields };

/** Values in a URL are strings. */
type QueryStrings<Q> = { [K in keyof Q]: string | Extract<Q[K], undefined> };

type Results<R extends Route> = {
  [Status in keyof R["responses"] & number]: {
    input: Arguments<R>;
    output: R["responses"][Status] extends { readonly body: infer S } ? Out<S> : Record<never, never>;
    outputFormat: "json";
    status: Status;
  };
}[keyof R["responses"] & number];

type ProblemResult<R extends Route> = {
  input: Arguments<R>;
  output: ProblemDetails;
  outputFormat: "json";
  status: 400 | 401 | 403 | 404 | 409 | 412 | 413 | 415 | 422 | 428 | 500 | 502 | 503 | 504;
};

type PathSchema<R extends Route> = {
  [M in R as `$${Lowercase<M["method"]>}`]: Results<M> | ProblemResult<M>;
};

type ClientSchema<All extends Routes> = {
  [Path in All[keyof All]["path"]]: PathSchema<Extract<All[keyof All], { path: Path }>>;
};

/** The contract as the type of a Hono application, for `hono/client`. */
export type ContractApp<All extends Routes = Contract> = Hono<BlankEnv, ClientSchema<All>, "/">;

/**
 * A client of the API at `baseUrl`, called like `client.v1.orders.$post({ json: { lines } })`. Pass the API
 * key as `headers: { authorization: "Bearer …" }`.
 */
export const createClient = (baseUrl: string, options?: ClientRequestOptions) =>
  hc<ContractApp>(baseUrl, options);
