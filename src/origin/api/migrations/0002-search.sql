-- Words are split here for the text and the query alike. Separators are the punctuation, symbols and spaces of Unicode;
-- all else is a part of a word, so that combining marks (Hindi, Thai) stay, whatever the database's locale is.
-- Words are compared by their first 20 characters.
CREATE FUNCTION search_words(content text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT array_agg(DISTINCT left(word, 20))
  FROM regexp_split_to_table(
    normalize(lower(content), NFC),
    '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7'
    '\u05be\u060c\u061b\u061f\u06d4\u0964\u0965\u1680\u2000-\u200b\u200e-\u206f\u20a0-\u20cf\u2190-\u245f\u2500-\u2bff'
    '\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb\ufe30-\ufe6f\ufeff\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40'
    '\uff5b-\uff65\ufffd]+'
  ) AS word
  WHERE word <> ''
$$;

-- All beginnings of two characters or more: a search for one is an exact look-up, while a prefix search reads the index
-- for every word that begins with it. A word of one character is found as a whole only.
CREATE FUNCTION search_prefixes(content text) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT array_to_tsvector(coalesce(array_agg(DISTINCT left(word, size)), '{}'))
  FROM unnest(search_words(content)) AS word, generate_series(least(2, length(word)), length(word)) AS size
$$;

-- All words have to be there; null without a word, which matches nothing. Words contain neither quotes nor backslashes.
CREATE FUNCTION search_query(content text) RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT string_agg(quote_literal(word), ' & ')::tsquery FROM unnest(search_words(content)) AS word
$$;

ALTER TABLE products
  DROP COLUMN search,
  ADD COLUMN search tsvector GENERATED ALWAYS AS (search_prefixes(name || ' ' || description)) STORED;

CREATE INDEX products_search ON products USING gin (search);
