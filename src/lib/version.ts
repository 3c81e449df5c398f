/** Equal to package.json's, which a bundle cannot read. A test compares them. */
export const VERSION = "0.1.0";
