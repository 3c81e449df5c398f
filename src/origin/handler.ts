/** What a handler gets and gives, derived from its route's declaration. */
import type * as z from "zod/mini";
import type { Problem, ProblemCode } from "../contract/problem.ts";
import type { Route, Routes, Schema } from "../contract/route.ts";
import type { Principal } from "../middleware/auth/principal.ts";
import type { Database } from "./db/database.ts";
import type { Cursors } from "./paging/cursors.ts";

type Part<R extends Route, Key extends string> = R["request"] extends {
  readonly [K in Key]: infer S extends Schema;
}
  ? z.output<S>
  : undefined;

export interface Input<R extends Route> {
  readonly params: Part<R, "params">;
  readonly query: Part<R, "query">;
  readonly headers: Part<R, "headers">;
  readonly body: Part<R, "body">;
  /** Authenticated by the edge; on a public route there is none. */
  readonly principal: R["policy"]["auth"] extends "public" ? undefined : Principal;
}

type ProblemsOf<R extends Route> = R["problems"] extends readonly (infer Code extends ProblemCode)[]
  ? Code
  : never;

/** One of the route's answers, or a problem that it declares. */
export type Output<R extends Route> =
  | {
      [Status in keyof R["responses"] & number]: {
        readonly status: Status;
      } & (R["responses"][Status] extends { readonly body: infer S extends Schema }
        ? { readonly body: z.input<S> }
        : R["responses"][Status] extends { readonly mediaType: string }
          ? { readonly text: string }
          : unknown) &
        (R["responses"][Status] extends { readonly headers: infer Names }
          ? { readonly headers: { readonly [Name in keyof Names]: string } }
          : { readonly headers?: Readonly<Record<string, string>> });
    }[keyof R["responses"] & number]
  | Problem<ProblemsOf<R>>;

/** What a handler works with: bound to its request, whose end ends it. */
export interface Services {
  /** For a request with an Idempotency-Key a transaction, which holds its record too. */
  readonly database: Database;
  /** The cursors of this list. */
  readonly cursors: Cursors;
  readonly cache: {
    /**
     * Tells what a write has made old: tags as the contract's cacheable routes have them, such as `products/7`. Of
     * this origin no answer is older than the write then, once the write has been answered.
     *
     * @throws TypeError for what cannot be a tag
     */
    invalidate(...tags: readonly string[]): void;
  };
  /** Aborts at the request's deadline, or when its client has gone: for what the handler itself waits for. */
  readonly signal: AbortSignal;
}

export type Handler<R extends Route> = (
  input: Input<R>,
  services: Services,
) => Output<R> | Promise<Output<R>>;

/** A handler for every route. */
export type Handlers<All extends Routes> = { readonly [Name in keyof All]: Handler<All[Name]> };
