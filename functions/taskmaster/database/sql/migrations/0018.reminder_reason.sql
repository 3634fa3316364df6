-- Why a reminder failed as a whole, without a channel that was tried: its owner is told.
ALTER TABLE reminder ADD COLUMN reason text;    -- stale: too old to be sent
GRANT UPDATE (reason) ON reminder TO taskmaster_system;
