/** The sample API, a shop. To replace it with your own, replace this folder and `src/origin/api/`. */
import { cancelOrder, getOrder, listOrders, placeOrder } from "./orders.ts";
import { createProduct, getProduct, listProducts, updateProduct } from "./products.ts";

export const apiTitle = "Breakwater shop";

export const apiRoutes = {
  listProducts,
  getProduct,
  createProduct,
  updateProduct,
  placeOrder,
  listOrders,
  getOrder,
  cancelOrder,
};
