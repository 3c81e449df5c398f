/** Problem types of the shop's own. */
export const apiProblems = {
  out_of_stock: { status: 409, title: "There is not enough left of a product" },
  order_not_cancellable: { status: 409, title: "The order can no longer be cancelled" },
  unknown_product: { status: 422, title: "The order names a product that does not exist" },
} as const;
