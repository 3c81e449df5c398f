/** The tags under which answers with these products are cached: each one's own, and that of the lists. */
export const tagsOf = (productIds: readonly string[]): string[] => [
  "products",
  ...productIds.map((id) => `products/${id}`),
];
