/**
 * Middleware whose order the compiler checks. Hono accepts any middleware anywhere; here each one declares the variables
 * that it needs and sets, and a pipeline takes it only after those that set what it needs.
 */
import type { MiddlewareHandler } from "hono";

/** Hono middleware that reads the variables `Needs` and sets the variables `Sets`. Both members exist for the compiler alone. */
export interface Middleware<Needs extends object, Sets extends object = object> extends MiddlewareHandler {
  readonly needs?: (variables: Needs) => void;
  readonly sets?: Sets;
}

/** Middleware in the order in which a request meets it. `Available` has the variables that are set by its end. */
export class Pipeline<Available extends object = object> {
  readonly handlers: readonly MiddlewareHandler[];

  constructor(handlers: readonly MiddlewareHandler[] = []) {
    this.handlers = handlers;
  }

  use<Sets extends object>(middleware: Middleware<Available, Sets>): Pipeline<Available & Sets> {
    return new Pipeline([...this.handlers, middleware]);
  }
}
