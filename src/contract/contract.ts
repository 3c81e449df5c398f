/** The whole contract: the routes of the API, of its operators, and of its documentation. */
import { administrationRoutes } from "./admin.ts";
import { apiRoutes } from "./api/routes.ts";
import { documentationRoutes } from "./documentation.ts";

export const contract = { ...apiRoutes, ...administrationRoutes, ...documentationRoutes };

export type Contract = typeof contract;
