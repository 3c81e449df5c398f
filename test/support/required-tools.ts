/** Where a tool is asked for, a machine without it fails the tests instead of skipping what needs it. */
export const isToolRequired = (name: string): boolean =>
  (process.env["TEST_REQUIRES"] ?? "").split(",").includes(name);
