/** Header fields that the guards of this origin have for an answer. */
export const withFields = (
  response: Response,
  fields: Readonly<Record<string, string>> | undefined,
): Response => {
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (name === "vary") response.headers.append(name, value);
    else response.headers.set(name, value);
  }
  return response;
};
