-- Names are few, and what an event goes to hangs on them: each has a checksum of
-- its kind, number and name, 1<<32 | CRC-32C; 0 has none. How many there are of
-- each kind stands in meta as 'names', four numbers of 4 bytes and their CRC-32C,
-- so that the last ones cannot be missing unnoticed.
ALTER TABLE names ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;

-- Since then events.verdicts lists, behind a 0, the addresses that have no bit in
-- events.targets. Up to which seq an older store's events do not list them stands
-- in meta as 'beyond_to', 8 bytes and their CRC-32C; 0 where there were none.
