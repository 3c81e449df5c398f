/** Names under which secrets stand: keys of objects, fields of headers, parameters. */

const SECRET_NAMES =
  "authorization|cookie|passw(?:or)?d|passphrase|pwd|token|secret|api[_-]?key|signature|signing[_-]?keys?|private[_-]?key|credential";

const SECRET_NAME = new RegExp(SECRET_NAMES, "i");
const ONLY_A_NAME = new RegExp(`^[\\w.-]{0,32}(?:${SECRET_NAMES})[\\w.-]{0,32}$`, "i");

/** Whether what stands under this key is a secret: the names are found anywhere in it, as in `DB_PASSWORD`. */
export const isSecretName = (key: string): boolean => SECRET_NAME.test(key);

/** Whether the text is such a name and nothing else: in a list of names and values a secret follows it. */
export const isOnlySecretName = (text: string): boolean => text.length <= 96 && ONLY_A_NAME.test(text);

/** What stands in a secret's place. */
export const MASK = "***";
