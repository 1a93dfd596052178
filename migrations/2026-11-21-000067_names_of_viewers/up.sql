-- What is remembered of a person who logs in is also the name, which the audit log tells: it is read anew when it changes,
-- and nothing is where what is written is what was there.
DROP TRIGGER person_login_changed ON person;
CREATE CONSTRAINT TRIGGER person_deleted AFTER DELETE ON person
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION authorization_changed();
CREATE CONSTRAINT TRIGGER person_changed AFTER UPDATE OF login, first_name, last_name ON person
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (coalesce(OLD.login, NEW.login) IS NOT NULL
    AND (OLD.login, OLD.first_name, OLD.last_name) IS DISTINCT FROM (NEW.login, NEW.first_name, NEW.last_name))
  EXECUTE FUNCTION authorization_changed();
