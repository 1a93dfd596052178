-- What an edit of the catalogue promises is in force from its commit on: until then others take in requests by what was
-- promised before, however long its transaction lasts, and what they froze is not moved (rule C2). Within the transaction
-- it is in force at no instant.
CREATE FUNCTION offering_promised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE offering_promise p SET since = greatest(clock_timestamp(),
      (SELECT max(q.since) + interval '1 microsecond' FROM offering_promise q WHERE q.root_id = p.root_id
        AND q.service_offering_id = p.service_offering_id AND q.since < 'infinity'))
    WHERE p.root_id = NEW.root_id AND p.service_offering_id = NEW.service_offering_id AND p.since = 'infinity';
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER offering_promised AFTER INSERT ON offering_promise DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.since = 'infinity') EXECUTE FUNCTION offering_promised();
