/** The shop's own problem types. */
export const apiProblems = {
  out_of_stock: { status: 409, title: "Insufficient stock" },
  order_not_cancellable: { status: 409, title: "Order cannot be cancelled" },
  unknown_product: { status: 422, title: "Unknown product" },
} as const;
