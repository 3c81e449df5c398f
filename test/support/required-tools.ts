/** Tests that need a required tool fail without it, instead of being skipped. */
export const isToolRequired = (name: string): boolean =>
  (process.env["TEST_REQUIRES"] ?? "").split(",").includes(name);
