/** The requests that `npm start` suggests; they work with the sample data. */
import type { Tour } from "../tour.ts";

const LANTERN = "01900000-0000-7000-8000-000000000001";

export const tour: Tour = {
  principal: "demo",
  scopes: ["orders:read", "orders:write"],
  steps: [
    { title: "browse the catalog", method: "GET", path: "/v1/products?limit=2" },
    {
      title: "buy a lantern",
      method: "POST",
      path: "/v1/orders",
      body: { lines: [{ productId: LANTERN, quantity: 1 }] },
    },
    { title: "see your orders", method: "GET", path: "/v1/orders" },
  ],
};
