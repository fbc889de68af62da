-- What a target's threads hang on: the first message of each, as the other side
-- names it. The key is a hash, never a value of an event.
CREATE TABLE threads (
  target TEXT NOT NULL,
  key    TEXT NOT NULL,
  ref    TEXT NOT NULL,
  at     INTEGER NOT NULL, -- when it began
  PRIMARY KEY (target, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX threads_at ON threads (at);

-- Trouble that began and has not ended.
CREATE TABLE alarms (
  kind    TEXT NOT NULL,
  subject TEXT NOT NULL, -- the target, source or rule
  since   INTEGER NOT NULL,
  reason  TEXT NOT NULL,
  event   BLOB NOT NULL, -- an event's id, 16 zero bytes for none
  PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;

-- What decided, each different one once; events.verdicts begins with 0 and its
-- number where it is known. It was in use from since until the next one's since.
CREATE TABLE rulesets (
  id    INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: events may still have it
  since INTEGER NOT NULL,
  hash  BLOB NOT NULL UNIQUE,              -- SHA-256 of the text
  text  TEXT NOT NULL
) STRICT;
