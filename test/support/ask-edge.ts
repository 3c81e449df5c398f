/** Asks an edge of the test's own process. */
import type { Edge } from "../../src/edge/app.ts";

/** @param target a path, an absolute URL, or a whole request */
export const askEdge = (edge: Edge, target: string | Request, init?: RequestInit): Promise<Response> =>
  edge.fetch(target instanceof Request ? target : new Request(new URL(target, "http://localhost"), init));
