-- What an event tells of an SLA that is not active then changes nothing (rule S12). That is decided once, when it is told, since an
-- SLA may be switched later; so far it was taken from whether the SLA had a clock of the chat.
ALTER TABLE request_event ADD COLUMN sla_inactive boolean CHECK (sla_inactive IS NULL OR sla_inactive AND sla_id IS NOT NULL);
UPDATE request_event e SET sla_inactive = true WHERE e.sla_id IS NOT NULL AND NOT EXISTS (SELECT FROM affected_sla a
  WHERE a.root_id = e.root_id AND a.request_id = e.request_id AND a.sla_id = e.sla_id);
