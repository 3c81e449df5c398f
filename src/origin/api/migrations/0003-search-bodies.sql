-- The functions of 0002-search.sql, with bodies that are parsed here and not at each call: PostgreSQL restores a dump with an
-- empty search path, in which they did not find each other, so that no backup could be restored.
CREATE OR REPLACE FUNCTION search_words(content text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
  SELECT array_agg(DISTINCT left(word, 20))
  FROM regexp_split_to_table(
    normalize(lower(content), NFC),
    '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7'
    '\u05be\u060c\u061b\u061f\u06d4\u0964\u0965\u1680\u2000-\u200b\u200e-\u206f\u20a0-\u20cf\u2190-\u245f\u2500-\u2bff'
    '\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb\ufe30-\ufe6f\ufeff\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40'
    '\uff5b-\uff65\ufffd]+'
  ) AS word
  WHERE word <> '';
END;

CREATE OR REPLACE FUNCTION search_prefixes(content text) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
  SELECT array_to_tsvector(coalesce(array_agg(DISTINCT left(word, size)), '{}'))
  FROM unnest(search_words(content)) AS word, generate_series(least(2, length(word)), length(word)) AS size;
END;

CREATE OR REPLACE FUNCTION search_query(content text) RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
  SELECT string_agg(quote_literal(word), ' & ')::tsquery FROM unnest(search_words(content)) AS word;
END;
