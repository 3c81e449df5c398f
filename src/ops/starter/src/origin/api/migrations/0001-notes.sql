CREATE TABLE notes (name text PRIMARY KEY, text text NOT NULL);
