DROP INDEX affected_sla_downtime;
DROP INDEX affected_sla_tenant_started;
DROP INDEX affected_sla_sla_started;
