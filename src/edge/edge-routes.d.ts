/** The edge's part of the contract, written by `npm run edge-routes` whenever wrangler bundles the Worker. */
import type { EdgeRoutes } from "../contract/edge-manifest.ts";

declare const routes: EdgeRoutes;
export default routes;
