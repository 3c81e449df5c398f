/** The whole contract: the API's routes, those by which operators run the system, and those that describe it. */
import { administrationRoutes } from "./admin.ts";
import { apiRoutes } from "./api/routes.ts";
import { getDocs, getOpenApi } from "./documentation.ts";

export const contract = { ...apiRoutes, ...administrationRoutes, getOpenApi, getDocs };

export type Contract = typeof contract;
