/** The whole contract: the API's routes and those that describe them. */
import { apiRoutes } from "./api/routes.ts";
import { getDocs, getOpenApi } from "./documentation.ts";

export const contract = { ...apiRoutes, getOpenApi, getDocs };

export type Contract = typeof contract;
