DROP TRIGGER person_changed ON person;
DROP TRIGGER person_deleted ON person;
CREATE CONSTRAINT TRIGGER person_login_changed AFTER DELETE OR UPDATE OF login ON person
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION authorization_changed();
