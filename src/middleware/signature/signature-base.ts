/** The text that is signed (RFC 9421 §2.5). */

/** A covered component: a field's name, or a derived one such as `@method`, and its value (§2.1, §2.2). */
export type Component = readonly [name: string, value: string];

/** The inner list of covered components (§2.3): `("@method" "content-digest")`. */
export const innerList = (names: readonly string[]): string =>
  `(${names.map((name) => `"${name}"`).join(" ")})`;

/**
 * @param parameters the value of `@signature-params`: inner list and parameters, as in Signature-Input
 */
export const signatureBase = (components: readonly Component[], parameters: string): string => {
  let base = "";
  for (const [name, value] of components) base += `"${name}": ${value}\n`;
  return `${base}"@signature-params": ${parameters}`;
};
