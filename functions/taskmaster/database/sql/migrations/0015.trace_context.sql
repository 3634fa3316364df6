-- Which trace (W3C Trace Context) something belongs to: a reminder that rings later goes on with the trace that armed it; a
-- repeat is linked to the trace in which it was answered first, an occurrence to the one in which its series began.
ALTER TABLE reminder ADD COLUMN traceparent text, ADD COLUMN tracestate text;
ALTER TABLE inbox    ADD COLUMN traceparent text;
ALTER TABLE series   ADD COLUMN traceparent text;

GRANT SELECT (traceparent, tracestate) ON reminder TO taskmaster_system;
