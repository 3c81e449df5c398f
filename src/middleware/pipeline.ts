/**
 * Middleware whose order the compiler checks: each declares the variables that it needs and sets, and a
 * pipeline accepts it only after those that set what it needs.
 */
import type { MiddlewareHandler } from "hono";

/** Hono middleware that reads the variables `Needs` and sets `Sets`. Both members exist only as types. */
export interface Middleware<Needs extends object, Sets extends object = object> extends MiddlewareHandler {
  readonly needs?: (variables: Needs) => void;
  readonly sets?: Sets;
}

/** Middleware in the order in which it runs. `Available` is the set of variables after the last one. */
export class Pipeline<Available extends object = object> {
  readonly handlers: readonly MiddlewareHandler[];

  constructor(handlers: readonly MiddlewareHandler[] = []) {
    this.handlers = handlers;
  }

  use<Sets extends object>(middleware: Middleware<Available, Sets>): Pipeline<Available & Sets> {
    return new Pipeline([...this.handlers, middleware]);
  }
}
