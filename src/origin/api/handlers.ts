/** The handlers of the sample API. For your own API, replace this folder and `src/contract/api/`. */
import type { apiRoutes } from "../../contract/api/routes.ts";
import type { Handlers } from "../handler.ts";
import { handleCancelOrder, handleGetOrder, handleListOrders, handlePlaceOrder } from "./orders.ts";
import {
  handleCreateProduct,
  handleGetProduct,
  handleListProducts,
  handleUpdateProduct,
} from "./products.ts";

export const apiHandlers: Handlers<typeof apiRoutes> = {
  listProducts: handleListProducts,
  getProduct: handleGetProduct,
  createProduct: handleCreateProduct,
  updateProduct: handleUpdateProduct,
  placeOrder: handlePlaceOrder,
  listOrders: handleListOrders,
  getOrder: handleGetOrder,
  cancelOrder: handleCancelOrder,
};
