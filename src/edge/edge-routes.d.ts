/** The edge's part of the contract, written by `npm run edge-routes` whenever wrangler bundles the Worker. */
declare module "#edge-routes" {
  const routes: import("../contract/edge-manifest.ts").EdgeRoutes;
  export default routes;
}
