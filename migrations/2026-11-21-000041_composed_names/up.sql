-- Names are kept in Unicode's normal form C, so that names that look the same are the same. Those that were kept before
-- that was so are brought into it here; versions of SLAs are not, which are never changed (rule S2). A name stays as it
-- is where its composed form is taken already in a place that has each name once, and where it would have grown.
DO $$
DECLARE
  kept record;
BEGIN
  -- In another encoding Postgres knows no such forms.
  IF getdatabaseencoding() <> 'UTF8' THEN
    RETURN;
  END IF;
  FOR kept IN SELECT * FROM (VALUES
    ('tenant', 'name', ''), ('organization', 'name', ''), ('site', 'name', ''), ('team', 'name', ''),
    ('person', 'first_name', ''), ('person', 'last_name', ''), ('calendar', 'name', ''), ('calendar_holiday', 'name', ''),
    ('service', 'name', ''), ('service_offering', 'name', ''), ('standard_service_request', 'name', ''),
    ('service_instance', 'name', ''), ('project', 'name', ''), ('service_token', 'name', ''), ('webhook', 'name', ''),
    ('request', 'subject', ''), ('time_entry', 'category', ''),
    ('role', 'name', 'AND NOT EXISTS (SELECT FROM role o WHERE o.root_id = t.root_id AND o.tenant_id = t.tenant_id
       AND o.id <> t.id AND normalize(o.name) = normalize(t.name))'),
    -- Rule S11.
    ('sla', 'name', 'AND NOT (t.kind = ''livechat'' AND EXISTS (SELECT FROM sla o WHERE o.root_id = t.root_id
       AND o.tenant_id = t.tenant_id AND o.kind = ''livechat'' AND o.id <> t.id
       AND lower(normalize(o.name)) = lower(normalize(t.name))))')
  ) names (noun, field, unless_taken)
  LOOP
    EXECUTE format(
      'UPDATE %1$I t SET %2$I = normalize(t.%2$I) WHERE t.%2$I IS NOT NORMALIZED
         AND length(normalize(t.%2$I)) <= length(t.%2$I) %3$s',
      kept.noun, kept.field, kept.unless_taken);
  END LOOP;
  -- As the categories of the time that they count, each once and in their order.
  UPDATE sla_limit t SET categories = (
    SELECT array_agg(c.category ORDER BY c.place) FROM (
      SELECT normalize(u.category) AS category, min(u.place) AS place
      FROM unnest(t.categories) WITH ORDINALITY u (category, place) GROUP BY 1) c)
  WHERE EXISTS (SELECT FROM unnest(t.categories) u (category) WHERE u.category IS NOT NORMALIZED);
END $$;
