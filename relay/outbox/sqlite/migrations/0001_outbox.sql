-- The outbox. Times are nanoseconds since 1970 in UTC, 0 for none. Names of
-- addresses, rules, verdicts and sources are small numbers (table names).
--
-- To look at it with the sqlite3 shell while the relay runs is safe; to write
-- is not.
PRAGMA application_id = 0x72656c79; -- "rely"

CREATE TABLE meta (k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES
  ('store', randomblob(8)),   -- which store this is, for the mark beside it
  ('salt', randomblob(32)),   -- of the hash that stands for a person
  ('last_seq', 0),            -- at the last purge, should nothing be left
  ('bodies_purged_to', 0),    -- seq up to which purge has looked, see late
  ('rows_purged_to', 0),
  ('checked_at', 0);          -- written to see whether writing works

CREATE TABLE names (
  kind TEXT NOT NULL,         -- address, rule, verdict, source
  id   INTEGER NOT NULL,      -- counts from 1; addresses 1 to 63 have bit id-1 in the masks below
  name TEXT NOT NULL,
  PRIMARY KEY (kind, id),
  UNIQUE (kind, name)
) STRICT, WITHOUT ROWID;

-- One row per event. What changes comes first, keeps its width and is
-- overwritten in place; the body comes last. There is no index on a random
-- value (id, ticket, subject, person): each insert would dirty a page of its
-- own, which more than doubles the cost of an event. The journal finds them.
CREATE TABLE events (
  seq         INTEGER PRIMARY KEY, -- the first half of the id: millisecond and counter
  waiting     INTEGER NOT NULL,    -- a bit for each address never tried; the sign bit is always set, to keep the width
  retrying    INTEGER NOT NULL,    -- pending rows in deliveries
  finished_at INTEGER NOT NULL,    -- 1<<62 while a delivery is pending
  ends        BLOB NOT NULL,       -- first tries that succeeded: n address numbers, then n slots of 13 bytes
  rnd         INTEGER NOT NULL,    -- the second half of the id
  received_at INTEGER NOT NULL,
  source      INTEGER NOT NULL,
  kind        INTEGER NOT NULL,
  targets     INTEGER NOT NULL,    -- a bit for each address
  person      INTEGER NOT NULL,    -- keyed hash of the person's id, 0 for none; erased with the body
  crc         INTEGER NOT NULL,    -- CRC-32C of the immutable columns << 32 | of the body
  dedupe      BLOB NOT NULL,       -- what makes a repeat; empty: nothing does
  verdicts    BLOB NOT NULL,       -- pairs of rule and verdict
  subject     TEXT NOT NULL,
  ticket      TEXT NOT NULL,
  status      TEXT NOT NULL,
  key_id      INTEGER NOT NULL,    -- 0: the body is in the clear. Room for the key that encrypts it
  body        BLOB                 -- NULL once the retention has passed
) STRICT;

-- What dispatch asks for. Sorted by mask and then by seq, so that a million
-- events waiting for one target are one step aside for the others.
CREATE INDEX events_waiting ON events (waiting) WHERE waiting <> -9223372036854775808;

-- A delivery has a row here once there is something to say: an attempt failed,
-- it ended badly, somebody changed it by hand; or its address is beyond the
-- 63 with a bit. The message a thread hangs on is in threads.
CREATE TABLE deliveries (
  seq         INTEGER NOT NULL,
  address     INTEGER NOT NULL,
  state       INTEGER NOT NULL, -- 0 pending, 1 delivered, 2 dead, 3 discarded
  attempts    INTEGER NOT NULL,
  next_at     INTEGER NOT NULL, -- 0: never tried
  finished_at INTEGER NOT NULL,
  outcome     INTEGER NOT NULL, -- of the last attempt: 1 delivered, 2 retry, 3 rejected, 4 held
  status      INTEGER NOT NULL,
  reason      TEXT NOT NULL,
  PRIMARY KEY (seq, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (address, next_at) WHERE state = 0;
CREATE INDEX deliveries_state ON deliveries (state, address, seq);

-- Attempts, first tries that succeeded excepted, and changes without one.
CREATE TABLE attempts (
  seq      INTEGER NOT NULL,
  address  INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  number   INTEGER NOT NULL,
  duration INTEGER NOT NULL, -- nanoseconds
  outcome  INTEGER NOT NULL, -- 0: no try was made
  status   INTEGER NOT NULL,
  tries    INTEGER NOT NULL,
  state    INTEGER NOT NULL, -- of the delivery from then on
  next_at  INTEGER NOT NULL,
  reason   TEXT NOT NULL,
  PRIMARY KEY (seq, address, at, number, outcome, state)
) STRICT, WITHOUT ROWID;

-- One row per commit, in the order of commits: 26 bytes for each event, with
-- hashes of what it may be asked for by. Deduplication is rebuilt from it, and
-- searches go through it; the event's row then decides.
CREATE TABLE journal (
  n    INTEGER PRIMARY KEY, -- the commit
  keys BLOB NOT NULL        -- seq 8, dedupe 8, ticket 4, subject 4, person 2
) STRICT;

-- How many deliveries of each address have ended; pending ones are counted.
CREATE TABLE counters (
  address   INTEGER PRIMARY KEY,
  delivered INTEGER NOT NULL,
  dead      INTEGER NOT NULL
) STRICT;

CREATE TABLE refused (
  seq          INTEGER PRIMARY KEY,
  rnd          INTEGER NOT NULL,
  received_at  INTEGER NOT NULL,
  source       INTEGER NOT NULL,
  status       INTEGER NOT NULL,
  reason       TEXT NOT NULL,
  content_type TEXT NOT NULL,
  iv           TEXT NOT NULL,
  crc          INTEGER NOT NULL, -- CRC-32C of the body
  key_id       INTEGER NOT NULL,
  body         BLOB
) STRICT;
CREATE INDEX refused_received ON refused (source, received_at);

CREATE TABLE holds (
  target  TEXT PRIMARY KEY,
  since   INTEGER NOT NULL,
  reason  TEXT NOT NULL,
  by_hand INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Events that purge has passed and must come back to.
CREATE TABLE late (seq INTEGER PRIMARY KEY) STRICT;
