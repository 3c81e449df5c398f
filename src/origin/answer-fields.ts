/** Header fields that guards have for an answer: what tells of limits, and what lets a site's page use it. */
interface Fielded {
  readonly headers?: Readonly<Record<string, string>>;
}

export const withFields = <Given extends Fielded>(
  given: Given,
  fields: Readonly<Record<string, string>>,
): Given =>
  Object.keys(fields).length === 0 ? given : { ...given, headers: { ...given.headers, ...fields } };
