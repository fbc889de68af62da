-- The keys that bodies are, or were, encrypted with: events.key_id and
-- refused.key_id. A key itself is in the config only. While there is one, the
-- salt of person is not in meta but here, encrypted with each.
CREATE TABLE keys (
  id          INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
  fingerprint BLOB NOT NULL UNIQUE,              -- tells the key when it is there, and nothing of it when not
  salt        BLOB NOT NULL
) STRICT;
