/** The contract as the edge knows it: written by `npm run edge-routes` whenever wrangler bundles the worker. */
declare module "breakwater-edge-routes" {
  const routes: import("../contract/edge-manifest.ts").EdgeRoutes;
  export default routes;
}
