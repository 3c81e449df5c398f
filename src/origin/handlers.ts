/** A handler for every route of the contract. */
import type { Contract } from "../contract/contract.ts";
import { administrationHandlers } from "./admin/blocklist/handlers.ts";
import { apiHandlers } from "./api/handlers.ts";
import { handleGetDocs, handleGetOpenApi } from "./docs/documentation-handlers.ts";
import type { Handlers } from "./handler.ts";

export const handlers: Handlers<Contract> = {
  ...apiHandlers,
  ...administrationHandlers,
  getOpenApi: handleGetOpenApi,
  getDocs: handleGetDocs,
};
